module filewallball/tests/judges/vulnerabilities

go 1.25.0

// The Go team's list of known vulnerabilities; none of its programs is built.
require golang.org/x/vulndb v0.0.0-20261105234957-e22db6528018
