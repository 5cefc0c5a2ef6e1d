// Command schema records what Helm says about values and schemas, for crates/helm/tests/data/schema.
//
// Usage:
//
//	go run . record FILE.jsonl...                 answer the cases of the files anew, in place
//	go run . answer [-times N] < cases.jsonl      answer cases from the standard input
//	go run . generate -seed 1 -n 100 | go run . answer
//
// A case is a line {"schema": ..., "values": ...}, with "text" in place of "schema" for what is no JSON. The
// answer adds "texts": the sorted reports that Helm gives in some dozens of attempts, for it walks maps at random;
// an empty one stands for good values.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
)

type testCase struct {
	Name   string          `json:"name,omitempty"`
	Schema json.RawMessage `json:"schema,omitempty"`
	Text   *string         `json:"text,omitempty"`
	Values map[string]any  `json:"values"`
	Texts  []string        `json:"texts,omitempty"`
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
		return fmt.Errorf("which of record, answer, generate?")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	times := flags.Int("times", 64, "attempts for each case")
	seed := flags.Uint64("seed", 1, "seed of the generator")
	count := flags.Int("n", 100, "how many cases")
	_ = flags.Parse(args[1:])
	switch args[0] {
	case "record":
		for _, path := range flags.Args() {
			if err := record(path, *times); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	case "answer":
		return answerAll(os.Stdin, os.Stdout, *times)
	case "generate":
		return generate(os.Stdout, *seed, *count)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func record(path string, times int) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := answerAll(bytes.NewReader(content), &out, times); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func answerAll(in io.Reader, out io.Writer, times int) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	buffered := bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var one testCase
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return fmt.Errorf("%s: %w", lines.Text(), err)
		}
		one.Texts = answer(one, times)
		if err := encoder.Encode(one); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return buffered.Flush()
}

// answer gives the different reports of some attempts.
func answer(one testCase, times int) []string {
	schema := []byte(one.Schema)
	if one.Text != nil {
		schema = []byte(*one.Text)
	}
	var texts []string
	for range times {
		text := ""
		if err := util.ValidateAgainstSingleSchema(common.Values(one.Values), schema); err != nil {
			text = err.Error()
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}
