// Command facts distils Kubernetes' own OpenAPI documents into the table of facts that JSON schemas
// of the built-in types do not carry: list types and keys, map types, patch strategies, kinds.
//
// usage: go run . DIR VERSION > crates/apimachinery/data/facts.json
//
//	go run . DIR VERSION NAME... > crates/apimachinery/tests/data/definitions.json
//
// DIR is api/openapi-spec/v3 of the module k8s.io/kubernetes (go mod download -json
// k8s.io/kubernetes@v1.36.3). With names, it prints the named schemas and all that they refer to,
// without descriptions and Kubernetes extensions, as a schema generator would give them.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type object = map[string]any

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go run . DIR VERSION [NAME...]")
		os.Exit(2)
	}
	schemas, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 3 {
		printLines(closure(schemas, os.Args[3:]))
		return
	}
	types := object{}
	for name, schema := range schemas {
		if facts := factsOf(schema); len(facts) > 0 {
			types[name] = facts
		}
	}
	addKeyDefaults(schemas, types)
	fmt.Printf("{\"kubernetes\":%q,\"types\":", os.Args[2])
	printLines(types)
	fmt.Println("}")
}

func read(dir string) (map[string]object, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	schemas := map[string]object{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var document struct {
			Components struct {
				Schemas map[string]object `json:"schemas"`
			} `json:"components"`
		}
		if err := json.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for name, schema := range document.Components.Schemas {
			// A document lists only the kinds of its own group, so the same schema differs there.
			if kinds(schemas[name]) > kinds(schema) {
				continue
			}
			schemas[name] = schema
		}
	}
	return schemas, nil
}

func kinds(schema object) int {
	list, _ := schema["x-kubernetes-group-version-kind"].([]any)
	return len(list)
}

func factsOf(schema object) object {
	facts := object{}
	if value, ok := schema["x-kubernetes-map-type"]; ok {
		facts["map"] = value
	}
	// Options and watch events belong to every group; they are no kinds that are stored.
	if list, _ := schema["x-kubernetes-group-version-kind"].([]any); len(list) == 1 {
		kind := list[0].(object)
		facts["kind"] = []any{kind["group"], kind["version"], kind["kind"]}
	}
	fields := object{}
	properties, _ := schema["properties"].(object)
	required, _ := schema["required"].([]any)
	for name, property := range properties {
		facts := fieldFacts(property.(object))
		if zero := zeroOf(property.(object), slices.Contains(required, any(name))); zero != "" {
			facts["zero"] = zero
		}
		if len(facts) > 0 {
			fields[name] = facts
		}
	}
	if len(fields) > 0 {
		facts["fields"] = fields
	}
	return facts
}

func fieldFacts(property object) object {
	facts := object{}
	for short, long := range map[string]string{
		"list":     "x-kubernetes-list-type",
		"keys":     "x-kubernetes-list-map-keys",
		"map":      "x-kubernetes-map-type",
		"strategy": "x-kubernetes-patch-strategy",
		"mergeKey": "x-kubernetes-patch-merge-key",
	} {
		if value, ok := property[long]; ok {
			facts[short] = value
		}
	}
	// A list without facts is atomic.
	if facts["list"] == "atomic" && facts["strategy"] == nil {
		delete(facts, "list")
	}
	return facts
}

// zeroOf tells what Go's encoder writes for the field when it is empty: structs that are no
// pointers are objects, required lists and pointers are null.
func zeroOf(property object, required bool) string {
	value, ok := property["default"].(object)
	isReference := reference(property) != ""
	switch {
	case ok && len(value) == 0 && isReference:
		return "object"
	case required && (property["type"] == "array" || isReference && property["default"] == nil):
		return "null"
	}
	return ""
}

// addKeyDefaults notes the defaults of the fields that list keys consist of.
func addKeyDefaults(schemas map[string]object, types object) {
	for _, schema := range schemas {
		properties, _ := schema["properties"].(object)
		for _, property := range properties {
			property := property.(object)
			keys, _ := property["x-kubernetes-list-map-keys"].([]any)
			items, _ := property["items"].(object)
			element := reference(items)
			for _, key := range keys {
				elementFields, _ := schemas[element]["properties"].(object)
				field, _ := elementFields[key.(string)].(object)
				if value, ok := field["default"]; ok && element != "" {
					entry(entry(entry(types, element), "fields"), key.(string))["default"] = value
				}
			}
		}
	}
}

func entry(parent object, name string) object {
	child, ok := parent[name].(object)
	if !ok {
		child = object{}
		parent[name] = child
	}
	return child
}

func reference(schema object) string {
	if ref, ok := schema["$ref"].(string); ok {
		return ref[strings.LastIndex(ref, "/")+1:]
	}
	if all, ok := schema["allOf"].([]any); ok && len(all) == 1 {
		return reference(all[0].(object))
	}
	return ""
}

func closure(schemas map[string]object, names []string) object {
	out := object{}
	for len(names) > 0 {
		name := names[len(names)-1]
		names = names[:len(names)-1]
		if _, ok := out[name]; ok {
			continue
		}
		if schemas[name] == nil {
			fmt.Fprintln(os.Stderr, "no schema", name)
			os.Exit(1)
		}
		out[name] = plain(schemas[name], &names)
	}
	return out
}

// plain copies a schema without what facts carry and collects the names it refers to.
func plain(value any, names *[]string) any {
	switch value := value.(type) {
	case object:
		if name := reference(value); name != "" {
			*names = append(*names, name)
			return object{"$ref": "#/$defs/" + name}
		}
		out := object{}
		for key, child := range value {
			if _, isText := child.(string); key == "description" && isText {
				continue
			}
			if key == "default" || strings.HasPrefix(key, "x-kubernetes-") {
				// JSONSchemaProps has properties of these names.
				if fields, ok := child.(object); !ok || fields["type"] == nil {
					continue
				}
			}
			out[key] = plain(child, names)
		}
		return out
	case []any:
		out := []any{}
		for _, child := range value {
			out = append(out, plain(child, names))
		}
		return out
	default:
		return value
	}
}

// printLines prints a JSON object with one entry a line, sorted by name.
func printLines(entries object) {
	names := []string{}
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Println("{")
	for i, name := range names {
		value, err := json.Marshal(entries[name])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		fmt.Printf("%q:%s%s\n", name, value, comma)
	}
	fmt.Println("}")
}
