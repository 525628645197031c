"""The file wall: a small web application that shows how to use `filewallball.storage`."""
