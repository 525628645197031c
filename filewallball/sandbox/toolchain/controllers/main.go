// Command controllers gives a sandbox what clouds bring along: volumes for claims, and network policies
// that are enforced. Both run in one process and share their watches.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig of the cluster")
	node := flag.String("node", "", "name of the only node")
	volumes := flag.String("volumes", "", "directory that holds one directory per volume")
	klog.InitFlags(nil)
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.ErrorS(err, "cannot read the kubeconfig", "path", *kubeconfig)
		os.Exit(1)
	}
	// The defaults (5 requests a second) make a burst of claims wait.
	config.QPS, config.Burst = 100, 200
	client := kubernetes.NewForConfigOrDie(config)

	factory := informers.NewSharedInformerFactory(client, 0)
	policies := newPolicyController(factory)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	grower := newGrower(client, factory)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	go policies.run(ctx)
	go grower.run(ctx)
	provisioner := controller.NewProvisionController(ctx, client, provisionerName,
		&directories{node: *node, root: *volumes},
		controller.LeaderElection(false),
		controller.ClaimsInformer(claims),
		controller.ResyncPeriod(time.Minute),
		controller.MetricsPort(0),
		// Keeps the volume object until its directory is gone: no data is left without a name.
		controller.AddFinalizer(true),
	)
	provisioner.Run(ctx)
	<-ctx.Done()
}
