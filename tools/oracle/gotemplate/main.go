// Command gotemplate records what Go's text/template and fmt make of templates.
//
// Usage: go run . FILE.jsonl...
//
// Each line of a file is a case: {"t": template, "o": missingkey option, "l", "r": delimiters}. The program
// writes the files anew with "out" (or "hex" for output that is no UTF-8) or "err" filled in. To add cases, append
// lines with "t" and run it. Data and functions are in data.go; the Rust tests build the same.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"text/template"
	"unicode/utf8"
)

type testCase struct {
	Template string  `json:"t"`
	Option   string  `json:"o,omitempty"`
	Left     string  `json:"l,omitempty"`
	Right    string  `json:"r,omitempty"`
	Out      *string `json:"out,omitempty"`
	Hex      string  `json:"hex,omitempty"`
	Err      string  `json:"err,omitempty"`
}

func main() {
	for _, path := range os.Args[1:] {
		if err := record(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func record(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	seen := map[testCase]bool{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var c testCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		c.Out, c.Hex, c.Err = nil, "", ""
		if seen[c] {
			continue
		}
		seen[c] = true
		c.run()
		if err := encoder.Encode(c); err != nil {
			return err
		}
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func (c *testCase) run() {
	t := template.New("x").Delims(c.Left, c.Right)
	if c.Option != "" {
		t.Option("missingkey=" + c.Option)
	}
	t.Funcs(functions(t))
	if _, err := t.Parse(c.Template); err != nil {
		c.Err = err.Error()
		return
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data()); err != nil {
		c.Err = err.Error()
		return
	}
	if !utf8.Valid(out.Bytes()) {
		c.Hex = hex.EncodeToString(out.Bytes())
		return
	}
	text := out.String()
	c.Out = &text
}
