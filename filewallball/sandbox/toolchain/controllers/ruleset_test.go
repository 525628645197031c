package main

import (
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(name, address string, started int64) *v1.Pod {
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "n", Labels: map[string]string{"name": name}},
		Status: v1.PodStatus{Phase: v1.PodRunning, PodIP: address, ContainerStatuses: []v1.ContainerStatus{{
			State: v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Unix(started, 0))}},
		}}},
	}
}

func deny(name string) *networking.NetworkPolicy {
	return &networking.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "deny-" + name, Namespace: "n"},
		Spec: networking.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"name": name}},
		},
	}
}

func compile(t *testing.T, pods []*v1.Pod, policies ...*networking.NetworkPolicy) string {
	t.Helper()
	rules, err := ruleset(pods, []*v1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "n"}}}, policies)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestAnAddressBelongsToThePodThatStartedLast(t *testing.T) {
	pods := []*v1.Pod{pod("before", "10.244.0.2", 100), pod("now", "10.244.0.2", 200)}
	if rules := compile(t, pods, deny("before")); strings.Contains(rules, "10.244.0.2") {
		t.Errorf("the policy of the pod from before holds for the address:\n%s", rules)
	}
	if rules := compile(t, pods, deny("now")); strings.Count(rules, "10.244.0.2 : goto") != 1 {
		t.Errorf("the address has not exactly one chain:\n%s", rules)
	}
}

func TestPodsThatAreOverOrShareTheNodesNetworkAreLeftAlone(t *testing.T) {
	over, onNode := pod("over", "10.244.0.3", 1), pod("node", "10.213.0.2", 1)
	over.Status.Phase, onNode.Spec.HostNetwork = v1.PodSucceeded, true
	rules := compile(t, []*v1.Pod{over, onNode}, deny("over"), deny("node"))
	if strings.Contains(rules, "goto") {
		t.Errorf("they are restricted:\n%s", rules)
	}
}
