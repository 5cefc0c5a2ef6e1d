// Command apimachinery records what Kubernetes' own Go libraries answer.
//
// usage: go run . TOPIC FILE
//
// FILE is a JSON list of cases. Each case holds inputs; the recorder writes the answer ("want") or
// the error ("error") beside them and rewrites the file.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// testCase is a JSON object; the inputs and answers it holds depend on the topic.
type testCase map[string]any

var topics = map[string]func(testCase) (any, error){}

func main() {
	if len(os.Args) != 3 || topics[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run . TOPIC FILE; topics:")
		for topic := range topics {
			fmt.Fprintln(os.Stderr, "  "+topic)
		}
		os.Exit(2)
	}
	if err := record(topics[os.Args[1]], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
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
