package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// KUBERNETES_SPEC is the folder api/openapi-spec/v3 of the module k8s.io/kubernetes.
const specVariable = "KUBERNETES_SPEC"

func init() {
	topics["managed"] = managed
}

// managed plays c["steps"] on an object of c["kind"] and records what is stored after each, or the
// error. A step may bring a new schema. Times are recorded as present ("T") or not.
func managed(c testCase) (any, error) {
	kind := c["kind"].([]any)
	gvk := schema.GroupVersionKind{Group: kind[0].(string), Version: kind[1].(string), Kind: kind[2].(string)}
	converter, err := typeConverter(gvk, c["schema"])
	if err != nil {
		return nil, err
	}
	// Built-in kinds are written as the API server decodes them, unless the case says otherwise.
	var objects objects = same{}
	if c["typed"] == true {
		objects = typed{}
	}
	live := &unstructured.Unstructured{Object: map[string]any{}}
	live.SetGroupVersionKind(gvk)
	var results []any
	for i, step := range c["steps"].([]any) {
		if changed := step.(map[string]any)["schema"]; changed != nil {
			if converter, err = typeConverter(gvk, changed); err != nil {
				return nil, err
			}
		}
		after, err := play(converter, objects, gvk, live, step.(map[string]any))
		if err != nil {
			results = append(results, failure(err))
			continue
		}
		after.SetUID("uid")
		live = after
		text, err := json.Marshal(after.Object)
		if err != nil {
			return nil, err
		}
		var stored map[string]any
		if err := json.Unmarshal(text, &stored); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		meta := stored["metadata"].(map[string]any)
		entries, _ := meta["managedFields"].([]any)
		for _, entry := range entries {
			if entry := entry.(map[string]any); entry["time"] != nil {
				entry["time"] = "T"
			}
		}
		results = append(results, stored)
	}
	return results, nil
}

func failure(err error) any {
	result := map[string]any{"error": err.Error()}
	if status, ok := err.(errors.APIStatus); ok {
		result["status"] = status.Status().Code
	}
	return result
}

// objects is what the field manager wants to know about objects.
type objects interface {
	runtime.ObjectConvertor
	runtime.ObjectCreater
	runtime.ObjectDefaulter
}

func play(converter managedfields.TypeConverter, objects objects, gvk schema.GroupVersionKind, live *unstructured.Unstructured, step map[string]any) (*unstructured.Unstructured, error) {
	subresource, _ := step["subresource"].(string)
	ignored := fieldpath.NewSet()
	for _, path := range asStrings(step["ignored"]) {
		var elements fieldpath.Path
		for _, name := range strings.Split(path, ".") {
			elements = append(elements, fieldpath.FieldNameElement(name))
		}
		ignored.Insert(elements)
	}
	filters := map[fieldpath.APIVersion]fieldpath.Filter{
		fieldpath.APIVersion(gvk.GroupVersion().String()): fieldpath.NewExcludeSetFilter(ignored),
	}
	manager, err := managedfields.NewDefaultFieldManager(converter, objects, objects, objects, gvk, gvk.GroupVersion(), subresource, filters)
	if err != nil {
		return nil, err
	}
	written := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(ints(step["object"]).(map[string]any))}
	name := step["manager"].(string)
	stored, err := objects.ConvertToVersion(live.DeepCopy(), gvk.GroupVersion())
	if err != nil {
		return nil, err
	}
	var after runtime.Object
	if step["op"] == "apply" {
		force, _ := step["force"].(bool)
		if after, err = manager.Apply(stored, written, name, force); err != nil {
			return nil, err
		}
	} else {
		if live.GetUID() != "" {
			written.SetUID(live.GetUID())
		}
		decoded, err := objects.ConvertToVersion(written, gvk.GroupVersion())
		if err != nil {
			return nil, err
		}
		after = manager.UpdateNoErrors(stored, decoded, name)
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	if err != nil {
		return nil, err
	}
	result := &unstructured.Unstructured{Object: content}
	result.SetGroupVersionKind(gvk)
	return result, nil
}

func asStrings(value any) []string {
	var out []string
	list, _ := value.([]any)
	for _, item := range list {
		out = append(out, item.(string))
	}
	return out
}

// ints turns whole numbers into integers, as the API server's decoder does.
func ints(value any) any {
	switch value := value.(type) {
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	case []any:
		out := []any{}
		for _, item := range value {
			out = append(out, ints(item))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, item := range value {
			out[key] = ints(item)
		}
		return out
	}
	return value
}

var builtin map[string]*spec.Schema

func typeConverter(gvk schema.GroupVersionKind, custom any) (managedfields.TypeConverter, error) {
	if custom == "deduced" {
		return managedfields.NewDeducedTypeConverter(), nil
	}
	if builtin == nil {
		if err := readSpec(); err != nil {
			return nil, err
		}
	}
	schemas := maps.Clone(builtin)
	if custom != nil {
		text, err := json.Marshal(custom)
		if err != nil {
			return nil, err
		}
		object := &spec.Schema{}
		if err := json.Unmarshal(text, object); err != nil {
			return nil, err
		}
		object.SetProperty("apiVersion", *spec.StringProperty())
		object.SetProperty("kind", *spec.StringProperty())
		object.SetProperty("metadata", *spec.RefSchema("#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"))
		object.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{"group": gvk.Group, "version": gvk.Version, "kind": gvk.Kind}})
		schemas["custom"] = object
	}
	return managedfields.NewTypeConverter(schemas, false)
}

func readSpec() error {
	files, err := filepath.Glob(filepath.Join(os.Getenv(specVariable), "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s names no folder of OpenAPI documents", specVariable)
	}
	builtin = map[string]*spec.Schema{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var document struct {
			Components struct {
				Schemas map[string]*spec.Schema `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return err
		}
		for name, schema := range document.Components.Schemas {
			if old := builtin[name]; old == nil || len(old.Extensions) < len(schema.Extensions) {
				builtin[name] = schema
			}
		}
	}
	return nil
}

// typed decodes into the Go types of built-in kinds, without defaults.
type typed struct{ same }

func (typed) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	return scheme.Scheme.New(gvk)
}

func (typed) ConvertToVersion(in runtime.Object, target runtime.GroupVersioner) (runtime.Object, error) {
	return scheme.Scheme.ConvertToVersion(in, target)
}

// same converts, defaults and creates nothing but what it is given: one version, no defaults.
type same struct{}

func (same) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(gvk)
	return object, nil
}

func (same) Convert(in, out, context any) error { return fmt.Errorf("not implemented") }

func (same) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (same) ConvertFieldLabel(_ schema.GroupVersionKind, _, _ string) (string, string, error) {
	return "", "", fmt.Errorf("not implemented")
}

func (same) Default(runtime.Object) {}
