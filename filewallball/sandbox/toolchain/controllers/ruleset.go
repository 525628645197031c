package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// header passes what belongs to a connection that was allowed, then asks both ends. Traffic from a pod to
// its node (the API server) has only one end to ask; from the node to a pod (probes) it is always allowed.
// A refusal is an ICMP answer, so that a client fails at once with "no route to host".
const header = `add table ip filewallball
delete table ip filewallball
table ip filewallball {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    jump egress
    jump ingress
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    jump egress
  }
`

// cluster is what selectors are matched against.
type cluster struct {
	pods       []*v1.Pod
	namespaces map[string]labels.Set
}

// ruleset compiles NetworkPolicies into one nftables script, the same text for the same cluster.
func ruleset(pods []*v1.Pod, namespaces []*v1.Namespace, policies []*networking.NetworkPolicy) (string, error) {
	c := cluster{namespaces: map[string]labels.Set{}}
	for _, namespace := range namespaces {
		c.namespaces[namespace.Name] = namespace.Labels
	}
	for _, pod := range pods {
		if networked(pod) {
			c.pods = append(c.pods, pod)
		}
	}
	// Addresses are given out anew when a sandbox comes up, while pods that have yet to restart still show
	// theirs from before: the pod that started last is the one that has it.
	slices.SortFunc(c.pods, func(a, b *v1.Pod) int {
		return cmp.Or(cmp.Compare(a.Status.PodIP, b.Status.PodIP), started(b).Compare(started(a)))
	})
	c.pods = slices.CompactFunc(c.pods, func(a, b *v1.Pod) bool { return a.Status.PodIP == b.Status.PodIP })
	slices.SortFunc(policies, func(a, b *networking.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})

	var chains strings.Builder
	var ingress, egress []string
	for _, pod := range c.pods {
		in, out, err := c.rulesOf(pod, policies)
		if err != nil {
			return "", err
		}
		if in != nil {
			ingress = append(ingress, verdict(&chains, pod, "in", in))
		}
		if out != nil {
			egress = append(egress, verdict(&chains, pod, "out", out))
		}
	}
	return header + chains.String() + dispatch("egress", "saddr", egress) + dispatch("ingress", "daddr", ingress) + "}\n", nil
}

// started is when the last of a pod's running containers started.
func started(pod *v1.Pod) time.Time {
	var last time.Time
	for _, container := range pod.Status.ContainerStatuses {
		if running := container.State.Running; running != nil && running.StartedAt.After(last) {
			last = running.StartedAt.Time
		}
	}
	return last
}

// verdict writes the chain of one side of one pod and returns its entry in the map of addresses.
func verdict(chains *strings.Builder, pod *v1.Pod, side string, rules []string) string {
	name := side + "_" + strings.ReplaceAll(pod.Status.PodIP, ".", "_")
	fmt.Fprintf(chains, "  chain %s {\n", name)
	// A pod always reaches itself, also by way of a Service.
	fmt.Fprintf(chains, "    ip saddr %[1]s ip daddr %[1]s return\n", pod.Status.PodIP)
	for _, rule := range rules {
		fmt.Fprintf(chains, "    %s return\n", rule)
	}
	chains.WriteString("    reject with icmp admin-prohibited\n  }\n")
	return pod.Status.PodIP + " : goto " + name
}

func dispatch(name, field string, entries []string) string {
	if len(entries) == 0 {
		return "  chain " + name + " {}\n"
	}
	return fmt.Sprintf("  chain %s {\n    ip %s vmap { %s }\n  }\n", name, field, strings.Join(entries, ", "))
}

// rulesOf returns the matches that let traffic in and out of a pod; nil means that no policy restricts that side.
func (c *cluster) rulesOf(pod *v1.Pod, policies []*networking.NetworkPolicy) (in, out []string, err error) {
	for _, policy := range policies {
		selected, err := matches(&policy.Spec.PodSelector, pod.Labels)
		if err != nil {
			return nil, nil, err
		}
		if policy.Namespace != pod.Namespace || !selected {
			continue
		}
		ingress, egress := directions(policy)
		if ingress {
			in = restricted(in)
			for _, rule := range policy.Spec.Ingress {
				found, err := c.matchesOf(policy.Namespace, "saddr", rule.From, rule.Ports, []*v1.Pod{pod})
				if err != nil {
					return nil, nil, err
				}
				in = append(in, found...)
			}
		}
		if egress {
			out = restricted(out)
			for _, rule := range policy.Spec.Egress {
				found, err := c.matchesOf(policy.Namespace, "daddr", rule.To, rule.Ports, c.pods)
				if err != nil {
					return nil, nil, err
				}
				out = append(out, found...)
			}
		}
	}
	return in, out, nil
}

// matchesOf is one ingress or egress rule as matches: each peer with each port. targets are the pods whose
// named ports may be meant.
func (c *cluster) matchesOf(
	namespace, field string, peers []networking.NetworkPolicyPeer, ports []networking.NetworkPolicyPort, targets []*v1.Pod,
) ([]string, error) {
	sources := []string{""}
	if len(peers) > 0 {
		sources = nil
		for _, peer := range peers {
			source, err := c.peer(namespace, field, peer)
			if err != nil {
				return nil, err
			}
			sources = append(sources, source...)
		}
	}
	var found []string
	for _, source := range sources {
		for _, port := range portMatches(field, ports, targets) {
			match := strings.TrimSpace(source + " " + port)
			if match == "" {
				match = "ip version 4"
			}
			found = append(found, match)
		}
	}
	return found, nil
}

func (c *cluster) peer(namespace, field string, peer networking.NetworkPolicyPeer) ([]string, error) {
	if block := peer.IPBlock; block != nil {
		if strings.Contains(block.CIDR, ":") {
			return nil, nil
		}
		match := fmt.Sprintf("ip %s %s", field, block.CIDR)
		if len(block.Except) > 0 {
			match += fmt.Sprintf(" ip %s != { %s }", field, strings.Join(block.Except, ", "))
		}
		return []string{match}, nil
	}
	var addresses []string
	for _, pod := range c.pods {
		chosen := pod.Namespace == namespace
		if peer.NamespaceSelector != nil {
			var err error
			if chosen, err = matches(peer.NamespaceSelector, c.namespaces[pod.Namespace]); err != nil {
				return nil, err
			}
		}
		if chosen && peer.PodSelector != nil {
			var err error
			if chosen, err = matches(peer.PodSelector, pod.Labels); err != nil {
				return nil, err
			}
		}
		if chosen {
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	if len(addresses) == 0 {
		return nil, nil
	}
	return []string{fmt.Sprintf("ip %s { %s }", field, strings.Join(addresses, ", "))}, nil
}

func portMatches(field string, ports []networking.NetworkPolicyPort, targets []*v1.Pod) []string {
	if len(ports) == 0 {
		return []string{""}
	}
	var found []string
	for _, port := range ports {
		protocol := "tcp"
		if port.Protocol != nil {
			protocol = strings.ToLower(string(*port.Protocol))
		}
		switch {
		case port.Port == nil:
			found = append(found, "meta l4proto "+protocol)
		case port.Port.Type == intstr.String:
			found = append(found, namedPort(field, protocol, port.Port.StrVal, targets)...)
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d", protocol, port.Port.IntVal, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s dport %d", protocol, port.Port.IntVal))
		}
	}
	return found
}

// namedPort resolves a name against each target, since two pods may give it different numbers.
func namedPort(field, protocol, name string, targets []*v1.Pod) []string {
	var found []string
	for _, pod := range targets {
		for _, container := range pod.Spec.Containers {
			for _, port := range container.Ports {
				if port.Name != name || !strings.EqualFold(cmp.Or(string(port.Protocol), "TCP"), protocol) {
					continue
				}
				match := fmt.Sprintf("%s dport %d", protocol, port.ContainerPort)
				if field == "daddr" {
					match = fmt.Sprintf("ip daddr %s %s", pod.Status.PodIP, match)
				}
				found = append(found, match)
			}
		}
	}
	return found
}

func matches(selector *metav1.LabelSelector, set map[string]string) (bool, error) {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, err
	}
	return compiled.Matches(labels.Set(set)), nil
}

// restricted makes nil an empty list: no match is needed for a policy to close a side.
func restricted(rules []string) []string {
	if rules == nil {
		return []string{}
	}
	return rules
}
