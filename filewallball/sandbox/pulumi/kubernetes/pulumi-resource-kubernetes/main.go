// Command pulumi-resource-kubernetes is Pulumi's Kubernetes provider, with next to no schema: the released one has a
// generated schema, which only programs in YAML and the generators of SDKs need.
package main

import "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"

const (
	name    = "kubernetes"
	version = "4.34.2"
)

func main() {
	provider.Serve(name, version, []byte(`{"name": "`+name+`", "version": "`+version+`"}`), []byte("{}"))
}
