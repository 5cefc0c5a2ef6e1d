package main

import (
	"encoding/json"
	"fmt"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

func init() {
	topics["json-patch"] = func(c testCase) (any, error) {
		return patched(c, func(object, patch []byte) ([]byte, error) {
			decoded, err := jsonpatch.DecodePatch(patch)
			if err != nil {
				return nil, err
			}
			return decoded.Apply(object)
		})
	}
	topics["merge-patch"] = func(c testCase) (any, error) {
		return patched(c, jsonpatch.MergePatch)
	}
}

// patched applies c["patch"] to c["object"]; a panic of the library is an error without text.
func patched(c testCase, apply func(object, patch []byte) ([]byte, error)) (want any, err error) {
	defer func() {
		if r := recover(); r != nil {
			want, err = nil, fmt.Errorf("panic")
		}
	}()
	object, err := json.Marshal(c["object"])
	if err != nil {
		return nil, err
	}
	patch, err := json.Marshal(c["patch"])
	if err != nil {
		return nil, err
	}
	out, err := apply(object, patch)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(out), nil
}
