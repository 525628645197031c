"""The policy pack: what every stack of this program is held to, before anything is deployed."""
