// Command apimachinery records what Kubernetes' own Go libraries answer.
//
// usage: KUBERNETES_SPEC=SPEC go run . DIR [TOPIC...]
//
// DIR is crates/apimachinery/tests/data. DIR/TOPIC.json is a JSON list of cases; each holds inputs.
// The recorder writes the answer ("want") or the error ("error") beside them and rewrites the file.
// Without topics it records all. SPEC is needed for the topic managed: the folder
// api/openapi-spec/v3 of the module k8s.io/kubernetes (go mod download -json
// k8s.io/kubernetes@v1.36.3).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// testCase is a JSON object; the inputs and answers it holds depend on the topic.
type testCase map[string]any

var topics = map[string]func(testCase) (any, error){}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . DIR [TOPIC...]")
		os.Exit(2)
	}
	names := os.Args[2:]
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(topics))
	}
	for _, name := range names {
		answer := topics[name]
		if answer == nil {
			fmt.Fprintf(os.Stderr, "no topic %q; there are %v\n", name, slices.Sorted(maps.Keys(topics)))
			os.Exit(2)
		}
		if err := record(answer, filepath.Join(os.Args[1], name+".json")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func record(answer func(testCase) (any, error), file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var cases []testCase
	if err := json.Unmarshal(text, &cases); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, c := range cases {
		delete(c, "want")
		delete(c, "error")
		want, err := answer(c)
		if err != nil {
			c["error"] = err.Error()
		}
		if want != nil {
			c["want"] = want
		}
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(c); err != nil {
			return err
		}
		out.Write(bytes.TrimSpace(line.Bytes()))
		if i < len(cases)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("]\n")
	return os.WriteFile(file, out.Bytes(), 0o644)
}
