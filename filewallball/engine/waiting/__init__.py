"""Until it is ready: live views of the cluster, when an object is ready, and the reasons why it is not."""
