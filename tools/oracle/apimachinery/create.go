package main

import (
	"encoding/json"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

func init() {
	topics["create-patch"] = create
}

// create makes the patch from c["from"] to c["to"] of c["kind"], with c["live"] in three ways.
func create(c testCase) (want any, err error) {
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
	from := runtime.DeepCopyJSON(ints(c["from"]).(map[string]any))
	to := runtime.DeepCopyJSON(ints(c["to"]).(map[string]any))
	if c["live"] == nil {
		return strategicpatch.CreateTwoWayMergeMapPatch(from, to, object)
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(object)
	if err != nil {
		return nil, err
	}
	var texts [3][]byte
	for i, state := range []any{from, to, c["live"]} {
		if texts[i], err = json.Marshal(state); err != nil {
			return nil, err
		}
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(texts[0], texts[1], texts[2], meta, true)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(patch), nil
}
