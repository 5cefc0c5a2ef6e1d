// Records what `helm template` or `helm lint` prints for small charts, for the tests of crates/helm.
//
// Run: go run . -helm PATH ../../../crates/helm/tests/data/charts/*.txt
// or   go run . -helm PATH -command lint ../../../crates/helm/tests/data/lint/*.txt
//
// Three post-renderers are there: `same` changes nothing, `keep` renames the annotation of Helm's own so that it stays, and
// `answer` prints the file answer.yaml of the case.
//
// PATH is Helm 4.3.1. The directory of a case is called /case in what is recorded. Each file is rewritten in place: the cases stay as they are, the lines of their
// results are made anew. See the head of crates/helm/tests/charts.rs for the form.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"unicode"
)

// The commands of the post-renderers, run by sh; %s is the directory of the case.
var postRenderers = map[string]string{
	"same":   "cat",
	"keep":   "sed s/postrenderer.helm.sh/kept.helm.sh/",
	"answer": "cat %s/answer.yaml",
}

const defaultChart = "apiVersion: v2\nname: c\nversion: 1.0.0\n"

var (
	helm       = flag.String("helm", "helm", "the program to ask")
	command    = flag.String("command", "template", "its command")
	fileHeader = regexp.MustCompile(`^-- (\S+)(?: \((json|base64)\))? --$`)
)

type file struct {
	name, form string
	lines      []string
}

func (f file) data() ([]byte, error) {
	text := strings.Join(f.lines, "\n")
	switch f.form {
	case "json":
		var out string
		err := json.Unmarshal([]byte(text), &out)
		return []byte(out), err
	case "base64":
		return base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	}
	for strings.HasSuffix(text, "\n") {
		text = strings.TrimSuffix(text, "\n")
	}
	if text == "" {
		return nil, nil
	}
	return []byte(text + "\n"), nil
}

// Words of a command line; quotes are those of a shell, without escapes.
func words(line string) []string {
	var out []string
	word, open, quote := "", false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ':
			if open {
				out = append(out, word)
			}
			word, open = "", false
		default:
			word += string(r)
			open = true
		}
	}
	if open {
		out = append(out, word)
	}
	return out
}

func installPostRenderers(dir string) error {
	for name, command := range postRenderers {
		text := fmt.Sprintf("name: %s\nversion: 1.0.0\ntype: postrenderer/v1\napiVersion: v1\nruntime: subprocess\n"+
			"runtimeConfig:\n  platformCommand:\n  - command: sh\n    args: [-c, '%s']\n", name, strings.ReplaceAll(command, "%s", dir))
		path := filepath.Join(dir, "home", "plugins", name, "plugin.yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func write(dir string, files []file) error {
	if err := installPostRenderers(dir); err != nil {
		return err
	}
	chart := filepath.Join(dir, "chart", "Chart.yaml")
	if err := os.MkdirAll(filepath.Dir(chart), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(chart, []byte(defaultChart), 0o644); err != nil {
		return err
	}
	for _, f := range files {
		data, err := f.data()
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The lines of an output, each behind its mark; one with other than printable characters as JSON.
func marked(mark string, output []byte) []string {
	if len(output) == 0 {
		return nil
	}
	var out []string
	text, ended := strings.CutSuffix(string(output), "\n")
	for _, line := range strings.Split(text, "\n") {
		odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\t' }
		switch {
		case strings.IndexFunc(line, odd) >= 0:
			quoted, _ := json.Marshal(line)
			out = append(out, mark+"j "+string(quoted))
		case line == "":
			out = append(out, mark)
		default:
			out = append(out, mark+" "+line)
		}
	}
	if !ended {
		out = append(out, mark+"\\")
	}
	return out
}

func ask(dir, line string) []string {
	cmd := exec.Command(*helm, append([]string{*command}, words(line)...)...)
	cmd.Dir = dir
	home := filepath.Join(dir, "home")
	cmd.Env = []string{
		"TZ=UTC", "PATH=/usr/bin:/bin", "HOME=" + home, "KUBECONFIG=" + home, "HELM_CACHE_HOME=" + home,
		"HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Whether it fails shows in what it prints.
	_ = cmd.Run()
	shown := func(output bytes.Buffer) []byte {
		return bytes.ReplaceAll(output.Bytes(), []byte(dir), []byte("/case"))
	}
	var warnings, rest []string
	for _, line := range marked("!", shown(stderr)) {
		switch {
		case strings.HasPrefix(line, "! level=DEBUG"), strings.HasPrefix(line, "!j \"level=DEBUG"):
		case strings.HasPrefix(line, "! level="), strings.HasPrefix(line, "!j \"level="):
			warnings = append(warnings, line)
		default:
			rest = append(rest, line)
		}
	}
	// Their order is random.
	sort.Strings(warnings)
	return append(append(marked("|", shown(stdout)), warnings...), rest...)
}

func record(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out, commands []string
	var files []file
	inFile := false
	finish := func() error {
		if len(commands) == 0 {
			return nil
		}
		dir, err := os.MkdirTemp("", "oracle")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := write(dir, files); err != nil {
			return err
		}
		for _, line := range commands {
			out = append(append(out, "$ "+line), ask(dir, line)...)
		}
		out = append(out, "")
		files, commands = nil, nil
		return nil
	}
	for _, line := range strings.Split(string(data), "\n") {
		header := fileHeader.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "== "):
			if err := finish(); err != nil {
				return err
			}
			inFile = false
			out = append(out, line)
		case header != nil:
			inFile = true
			files = append(files, file{name: header[1], form: header[2]})
			out = append(out, line)
		case strings.HasPrefix(line, "$ "):
			inFile = false
			commands = append(commands, line[2:])
		case inFile:
			last := &files[len(files)-1]
			last.lines = append(last.lines, line)
			out = append(out, line)
		case len(commands) == 0 && line != "":
			out = append(out, line)
		}
	}
	if err := finish(); err != nil {
		return err
	}
	text := strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
	return os.WriteFile(path, []byte(text), 0o644)
}

func main() {
	flag.Parse()
	for _, path := range flag.Args() {
		if err := record(path); err != nil {
			fmt.Fprintln(os.Stderr, path+":", err)
			os.Exit(1)
		}
	}
}
