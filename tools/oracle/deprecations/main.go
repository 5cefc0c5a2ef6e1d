// Prints the kinds of Kubernetes that are deprecated, as Helm's linter knows them.
//
// Run: go run . > ../../../crates/helm/src/lint/deprecated.txt
//
// A line holds API version, kind, the version in which it became deprecated, the one that no longer has
// it, and API version and kind to use instead; `-` where there is none. The version of client-go is that of Helm.
package main

import (
	"fmt"
	"sort"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

type deprecated interface{ APILifecycleDeprecated() (major, minor int) }
type removed interface{ APILifecycleRemoved() (major, minor int) }
type replaced interface {
	APILifecycleReplacement() schema.GroupVersionKind
}

func version(major, minor int) string {
	if major == 0 && minor == 0 {
		return "-"
	}
	return fmt.Sprintf("%d.%d", major, minor)
}

func main() {
	var lines []string
	for gvk := range scheme.Scheme.AllKnownTypes() {
		object, err := scheme.Scheme.New(gvk)
		if err != nil {
			panic(err)
		}
		since, ok := object.(deprecated)
		if !ok || version(since.APILifecycleDeprecated()) == "-" {
			continue
		}
		until, instead := "-", "- -"
		if object, ok := object.(removed); ok {
			until = version(object.APILifecycleRemoved())
		}
		if object, ok := object.(replaced); ok && !object.APILifecycleReplacement().Empty() {
			other := object.APILifecycleReplacement()
			instead = other.GroupVersion().String() + " " + other.Kind
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s", gvk.GroupVersion(), gvk.Kind,
			version(since.APILifecycleDeprecated()), until, instead))
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}
