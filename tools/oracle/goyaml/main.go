// Records what Go's YAML and JSON libraries make of many inputs, for the tests of crates/goyaml.
//
// Run: go run . > ../../../crates/goyaml/tests/data/oracle.jsonl
// and  go run . -nodes > ../../../crates/goyaml/tests/data/nodes.jsonl
//
// With -seed and -n it makes other and more random inputs, to look for differences.
//
// Each line is one vector: {"op": ..., "in": ..., "out": ...} or with "err" in place of "out".
// Inputs that are no UTF-8 are given as "hex".
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

type vector struct {
	Op  string  `json:"op"`
	In  *string `json:"in,omitempty"`
	Hex *string `json:"hex,omitempty"`
	Out *string `json:"out,omitempty"`
	Err *string `json:"err,omitempty"`
}

var (
	out  = bufio.NewWriter(os.Stdout)
	seen = map[string]bool{}
)

func emit(op, in string, result []byte, err error) {
	v := vector{Op: op}
	if utf8.ValidString(in) {
		v.In = &in
	} else {
		h := hex.EncodeToString([]byte(in))
		v.Hex = &h
	}
	if err != nil {
		s := err.Error()
		v.Err = &s
	} else {
		s := string(result)
		v.Out = &s
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
}

// read records YAML text as the JSON of its value, lenient and strict.
func read(in string) {
	if seen["r"+in] {
		return
	}
	seen["r"+in] = true
	// Through Unmarshal, for its wording of errors; the bytes come from YAMLToJSON, which keeps integers.
	var value any
	err := yaml.Unmarshal([]byte(in), &value)
	text, jsonErr := yaml.YAMLToJSON([]byte(in))
	if (err == nil) != (jsonErr == nil) {
		panic(in)
	}
	for range 8 {
		again, _ := yaml.YAMLToJSON([]byte(in))
		if !bytes.Equal(again, text) {
			// Keys such as 1 and "1" meet in JSON, and either wins.
			return
		}
	}
	emit("read", in, text, err)
	if err := yaml.UnmarshalStrict([]byte(in), &value); err != nil && jsonErr == nil {
		emit("strict", in, nil, err)
	}
}

// write records a JSON text as YAML in both dialects ("both" when they agree), and as JSON.
func write(value any) {
	var buffer bytes.Buffer
	enc := json.NewEncoder(&buffer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic(err)
	}
	in := string(bytes.TrimSuffix(buffer.Bytes(), []byte("\n")))
	if seen["w"+in] {
		return
	}
	seen["w"+in] = true
	text, err := yaml.Marshal(value)
	for range 12 {
		again, _ := yaml.Marshal(value)
		if !bytes.Equal(again, text) {
			// Its keys have no order in go-yaml v2: whatever Go's map gives.
			return
		}
	}
	// As in a Helm template, where every number has come through JSON and is a float.
	var floats any
	if err := json.Unmarshal([]byte(in), &floats); err != nil {
		panic(err)
	}
	var pretty bytes.Buffer
	encoder := yamlv3.NewEncoder(&pretty)
	encoder.SetIndent(2)
	prettyErr := encoder.Encode(floats)
	if err == nil && prettyErr == nil && bytes.Equal(text, pretty.Bytes()) {
		emit("both", in, text, nil)
	} else {
		emit("yaml", in, text, err)
		emit("v3", in, pretty.Bytes(), prettyErr)
	}
	marshalled, err := json.Marshal(value)
	if err != nil || string(marshalled) != in {
		emit("json", in, marshalled, err)
	}
}

func main() {
	seed := flag.Int64("seed", 20261123, "of the random inputs")
	n := flag.Int("n", 200, "random values to write, and three times as many texts to read")
	trees := flag.Bool("nodes", false, "documents with their comments instead")
	flag.Parse()
	defer out.Flush()
	if *trees {
		random := newRandom(*seed)
		for _, text := range documents {
			nodes(text)
		}
		for range 4 * *n {
			nodes(random.commented())
		}
		return
	}
	for _, text := range readCases() {
		read(text)
	}
	random := newRandom(*seed)
	for range 3 * *n {
		read(random.document())
	}
	for _, value := range writeCases() {
		write(value)
	}
	for range *n {
		write(random.value(0))
	}
	for _, value := range indentCases() {
		text, err := json.MarshalIndent(value, "> ", "\t")
		in, inErr := json.Marshal(value)
		if inErr != nil {
			panic(inErr)
		}
		emit("indent", string(in), text, err)
	}
}
