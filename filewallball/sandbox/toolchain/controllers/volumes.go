package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const provisionerName = "filewallball.io/directory"

// directories provisions a claim as a directory of the node, in a volume of type `local`: unlike hostPath,
// the kubelet applies fsGroup to it.
type directories struct{ node, root string }

func (d *directories) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if mode := claim.Spec.VolumeMode; mode != nil && *mode != v1.PersistentVolumeFilesystem {
		return nil, controller.ProvisioningFinished, fmt.Errorf("a sandbox has no volumes of mode %s", *mode)
	}
	path := filepath.Join(d.root, options.PVName)
	// Owned by root and closed to others, as a fresh disk is: a pod that forgets fsGroup fails here too.
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, controller.ProvisioningNoChange, err
	}
	policy := v1.PersistentVolumeReclaimDelete
	if options.StorageClass.ReclaimPolicy != nil {
		policy = *options.StorageClass.ReclaimPolicy
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: policy,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity:                  onNode(d.node),
		},
	}, controller.ProvisioningFinished, nil
}

func (d *directories) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	path := filepath.Join(d.root, volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path {
		return &controller.IgnoredError{Reason: "the volume's directory is not one of ours"}
	}
	return os.RemoveAll(path)
}

func onNode(name string) *v1.VolumeNodeAffinity {
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchExpressions: []v1.NodeSelectorRequirement{{
			Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{name},
		}},
	}}}}
}

// grower grants a claim the larger size that it asks for. A directory has no size of its own, so the
// figures are all there is to change.
type grower struct {
	client  kubernetes.Interface
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	work    chan *v1.PersistentVolumeClaim
}

func newGrower(client kubernetes.Interface, factory informers.SharedInformerFactory) *grower {
	g := &grower{
		client:  client,
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
		work:    make(chan *v1.PersistentVolumeClaim, 1000),
	}
	changed := func(object any) {
		if claim, ok := object.(*v1.PersistentVolumeClaim); ok && wantsMore(claim) {
			g.work <- claim
		}
	}
	// The error is for an informer that has been stopped; this one has not been started.
	_, _ = factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, object any) { changed(object) },
	})
	return g
}

func wantsMore(claim *v1.PersistentVolumeClaim) bool {
	if claim.Status.Phase != v1.ClaimBound || claim.Spec.VolumeName == "" {
		return false
	}
	wanted, granted := claim.Spec.Resources.Requests[v1.ResourceStorage], claim.Status.Capacity[v1.ResourceStorage]
	return wanted.Cmp(granted) > 0
}

func (g *grower) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case claim := <-g.work:
			if err := g.grow(ctx, claim); err != nil {
				klog.ErrorS(err, "cannot grow a volume", "claim", klog.KObj(claim))
			}
		}
	}
}

func (g *grower) grow(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	volume, err := g.volumes.Get(claim.Spec.VolumeName)
	if err != nil {
		return err
	}
	class, err := g.classes.Get(volume.Spec.StorageClassName)
	if err != nil || class.Provisioner != provisionerName {
		return err
	}
	wanted := claim.Spec.Resources.Requests[v1.ResourceStorage]
	size := fmt.Sprintf(`{"capacity":{"storage":%q}}`, wanted.String())
	_, err = g.client.CoreV1().PersistentVolumes().Patch(ctx, volume.Name, types.MergePatchType,
		[]byte(`{"spec":`+size+`}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	_, err = g.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType,
		[]byte(`{"status":`+size+`}`), metav1.PatchOptions{}, "status")
	return err
}
