package main

import (
	"context"
	"os/exec"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	networklisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// settle is how long further changes are waited for before the rules are written.
const settle = 10 * time.Millisecond

// policyController keeps one nftables table equal to what the NetworkPolicies say. On one node the whole
// table is small, so every change writes it anew, in one transaction.
type policyController struct {
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networklisters.NetworkPolicyLister
	dirty      chan struct{}
}

func newPolicyController(factory informers.SharedInformerFactory) *policyController {
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	c := &policyController{
		pods: pods.Lister(), namespaces: namespaces.Lister(), policies: policies.Lister(),
		dirty: make(chan struct{}, 1),
	}
	mark := func(any) {
		select {
		case c.dirty <- struct{}{}:
		default: // a run is due already
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: mark, DeleteFunc: mark, UpdateFunc: func(_, object any) { mark(object) },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		// The error is for an informer that has been stopped; these have not been started.
		_, _ = informer.AddEventHandler(handler)
	}
	return c
}

func (c *policyController) run(ctx context.Context) {
	written, retry := "", make(<-chan time.Time)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.dirty:
		case <-retry:
		}
		time.Sleep(settle)
		rules, err := c.compile()
		if err == nil && rules != written {
			if err = load(ctx, rules); err == nil {
				written = rules
			}
		}
		if err != nil {
			klog.ErrorS(err, "cannot write the network policies")
			retry = time.After(time.Second)
		}
	}
}

func (c *policyController) compile() (string, error) {
	pods, err := c.pods.List(labels.Everything())
	if err != nil {
		return "", err
	}
	namespaces, err := c.namespaces.List(labels.Everything())
	if err != nil {
		return "", err
	}
	policies, err := c.policies.List(labels.Everything())
	if err != nil {
		return "", err
	}
	return ruleset(pods, namespaces, policies)
}

func load(ctx context.Context, rules string) error {
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	output, err := command.CombinedOutput()
	if err != nil {
		klog.InfoS("nft refused the rules", "output", string(output), "rules", rules)
	}
	return err
}

// networked says whether a pod has an address of its own to filter.
func networked(pod *v1.Pod) bool {
	over := pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
	return pod.Status.PodIP != "" && !pod.Spec.HostNetwork && !over && !strings.Contains(pod.Status.PodIP, ":")
}

// directions says which sides of the connections of its pods a policy restricts.
func directions(policy *networking.NetworkPolicy) (ingress, egress bool) {
	if len(policy.Spec.PolicyTypes) == 0 {
		return true, len(policy.Spec.Egress) > 0
	}
	for _, kind := range policy.Spec.PolicyTypes {
		ingress = ingress || kind == networking.PolicyTypeIngress
		egress = egress || kind == networking.PolicyTypeEgress
	}
	return ingress, egress
}
