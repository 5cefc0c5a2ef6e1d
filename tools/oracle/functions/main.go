// Command functions records what Helm's template functions make of templates, for crates/helm/tests/functions.rs.
//
// Usage, with TZ=UTC:
//
//	go run . record FILE.jsonl...    answer the cases of the files anew, in place
//	go run . answer < cases.jsonl    answer cases from the standard input
//	go run . names > functions.txt   list the functions, aliases on one line
//	go run . generate -seed 1 -n 100 [-function NAME] | go run . answer
//	go run . sample -function NAME   answered cases of one function, one for each kind of answer
//
// A case is a line {"template": ..., "before": ...}; the answer adds "output" (or "base64", if that is no
// UTF-8) or "error". The template stands in a define of the chart's only template; "before" stands in front of it.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

// chartDir holds the files of the chart but its template.
const chartDir = "../../../crates/helm/tests/data/functions-chart"

type testCase struct {
	Before   string  `json:"before,omitempty"`
	Template string  `json:"template"`
	Output   *string `json:"output,omitempty"`
	Base64   *string `json:"base64,omitempty"`
	Error    *string `json:"error,omitempty"`
}

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which of record, answer, names, generate, sample?")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	seed := flags.Uint64("seed", 1, "seed of the generator")
	count := flags.Int("n", 100, "how many cases")
	function := flags.String("function", "", "calls of this function only")
	_ = flags.Parse(args[1:])
	switch args[0] {
	case "record":
		for _, path := range flags.Args() {
			if err := record(path); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	case "answer":
		return answerAll(os.Stdin, os.Stdout)
	case "names":
		return names(os.Stdout)
	case "generate":
		return generate(os.Stdout, *seed, *count, *function)
	case "sample":
		return sample(os.Stdout, *seed, *count, *function)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func record(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := answerAll(bytes.NewReader(text), &out); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// answerAll answers each case once.
func answerAll(in io.Reader, out io.Writer) error {
	seen := map[testCase]bool{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	buffered := bufio.NewWriter(out)
	for lines.Scan() {
		var c testCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		c = testCase{Before: c.Before, Template: c.Template}
		if seen[c] {
			continue
		}
		seen[c] = true
		if err := write(buffered, answer(c)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

func write(out io.Writer, c testCase) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(c)
}

// answer renders the case as `helm template rel CHART` does.
func answer(c testCase) testCase {
	output, err := render(c)
	if err != nil {
		text := err.Error()
		c.Error = &text
		return c
	}
	if utf8.Valid(output) {
		text := string(output)
		c.Output = &text
	} else {
		text := base64.StdEncoding.EncodeToString(output)
		c.Base64 = &text
	}
	return c
}

func render(c testCase) ([]byte, error) {
	files, err := chartFiles()
	if err != nil {
		return nil, err
	}
	text := c.Before + `{{ define "case" }}` + c.Template + `{{ end }}out: {{ include "case" . | b64enc }}` + "\n"
	files = append(files, &archive.BufferedFile{Name: "templates/t.yaml", Data: []byte(text)})
	chart, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: "rel", Namespace: "default", Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(chart, map[string]any{}, options, common.DefaultCapabilities.Copy())
	if err != nil {
		return nil, err
	}
	outputs, err := engine.Render(chart, values)
	if err != nil {
		return nil, err
	}
	output := strings.TrimSpace(strings.TrimPrefix(outputs["c/templates/t.yaml"], "out: "))
	return base64.StdEncoding.DecodeString(output)
}

var files []*archive.BufferedFile

// chartFiles reads the chart's files, once, and gives a list of its own to each caller.
func chartFiles() ([]*archive.BufferedFile, error) {
	if files == nil {
		err := filepath.WalkDir(chartDir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(chartDir, path)
			files = append(files, &archive.BufferedFile{Name: name, Data: data})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return append([]*archive.BufferedFile(nil), files...), nil
}
