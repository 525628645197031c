"""The load of the balancer's drill: users of the application, by way of the balancer."""
