package main

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func init() {
	topics["strategic-patch"] = strategic
}

// strategic applies c["patch"] to c["object"] of c["kind"]; a panic is an error without text.
func strategic(c testCase) (want any, err error) {
	defer func() {
		if r := recover(); r != nil {
			want, err = nil, errors.New("panic")
		}
	}()
	kind := c["kind"].([]any)
	gvk := schema.GroupVersionKind{Group: kind[0].(string), Version: kind[1].(string), Kind: kind[2].(string)}
	object, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	original := runtime.DeepCopyJSON(ints(c["object"]).(map[string]any))
	patch := runtime.DeepCopyJSON(ints(c["patch"]).(map[string]any))
	out, err := strategicpatch.StrategicMergeMapPatch(original, patch, object)
	if err != nil {
		return nil, err
	}
	return out, nil
}
