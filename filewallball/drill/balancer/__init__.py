"""The balancer's drill: the application, what it needs and the balancer itself fail under load."""
