package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"text/template"
)

// Values is a named map with methods.
type Values map[string]interface{}

// Size has no arguments.
func (v Values) Size() int { return len(v) }

// Get takes an argument and may fail.
func (v Values) Get(key string) (interface{}, error) {
	value, ok := v[key]
	if !ok {
		return nil, fmt.Errorf("no key %q", key)
	}
	return value, nil
}

// Join is variadic.
func (v Values) Join(sep string, parts ...string) string { return strings.Join(parts, sep) }

// Plain is a struct without String.
type Plain struct {
	Name string
	N    int
	Any  interface{}
}

// Double is a method of both Plain and *Plain.
func (p Plain) Double(by int) int { return p.N * by }

// Version prints itself.
type Version struct {
	Major, Minor string
}

// String makes it print as v1.2.
func (v *Version) String() string { return "v" + v.Major + "." + v.Minor }

func data() interface{} {
	type any = interface{}
	return map[string]any{
		"s": "hello", "empty": "", "uni": "h\u00e9llo, \u4e16\u754c \U0001f600", "cut": "h\xc3",
		"quote": "a\"b'c\\`", "html": "<a href='x'>&\"=</a>", "ctl": "a\nb\tc\x00d\x7f\u2028",
		"i": 42, "neg": -7, "zero": 0, "i8": int8(-128), "i32": int32(65), "i64": int64(1) << 40,
		"u": uint(7), "u8": uint8(200), "u64": uint64(1)<<63 + 5,
		"f": 3.5, "one": 1.0, "million": 1e6, "big": 12345678.0, "tiny": 1e-7, "fneg": -2.25,
		"inf": math.Inf(1), "nan": math.NaN(), "huge": 1e21, "fzero": 0.0,
		"t": true, "b": false, "nil": nil, "c": complex(1, -2),
		"list": []any{"a", 1, 2.5, nil, true, []any{"x"}}, "elist": []any{}, "nilList": []any(nil),
		"strs": []string{"c", "a", "b"}, "ints": []int{3, 1, 2}, "bytes": []byte("abc"),
		"m":  map[string]any{"b": 2, "a": "x", "nested": map[string]any{"k": "v", "n": nil}},
		"em": map[string]any{}, "nilMap": map[string]any(nil),
		"strMap": map[string]string{"x": "1", "y": ""},
		"named":  Values{"k": "v", "Size": "shadowed", "n": nil},
		"plain":  Plain{"p", 3, nil}, "ptr": &Plain{"q", 4, "z"}, "version": &Version{"1", "30"},
		"err": errors.New("an error"),
		"fn":  func(n int, rest ...string) string { return fmt.Sprint(n, rest) },
	}
}

func functions(t *template.Template) template.FuncMap {
	return template.FuncMap{
		"any":      func(v interface{}) interface{} { return v },
		"str":      func(s string) string { return s },
		"int":      func(n int) int { return n },
		"int64":    func(n int64) int64 { return n },
		"float":    func(f float64) float64 { return f },
		"boolean":  func(b bool) bool { return b },
		"anys":     func(l []interface{}) int { return len(l) },
		"dict":     func(m map[string]interface{}) int { return len(m) },
		"mkdict":   mkdict,
		"mklist":   func(items ...interface{}) []interface{} { return items },
		"joined":   func(sep string, parts ...string) string { return strings.Join(parts, sep) },
		"ints":     func(first int, rest ...int) int { return first + len(rest) },
		"nothing":  func() interface{} { return nil },
		"nildict":  func() map[string]interface{} { return nil },
		"fail":     func(text string) (string, error) { return "", errors.New(text) },
		"panics":   func(text string) string { panic(text) },
		"set":      func(m map[string]interface{}, k string, v interface{}) map[string]interface{} { m[k] = v; return m },
		"typeOf":   func(v interface{}) string { return fmt.Sprintf("%T", v) },
		"include":  func(name string, v interface{}) (string, error) { return include(t, name, v) },
		"tpl":      func(text string, v interface{}) (string, error) { return tpl(t, text, v) },
		"truncate": func(n int, s string) string { return s[:n] },
	}
}

func mkdict(items ...interface{}) map[string]interface{} {
	m := map[string]interface{}{}
	for i := 0; i+1 < len(items); i += 2 {
		m[fmt.Sprint(items[i])] = items[i+1]
	}
	return m
}

func include(t *template.Template, name string, v interface{}) (string, error) {
	var out strings.Builder
	err := t.ExecuteTemplate(&out, name, v)
	return out.String(), err
}

func tpl(parent *template.Template, text string, v interface{}) (string, error) {
	t, err := parent.Clone()
	if err != nil {
		return "", err
	}
	t.Funcs(functions(t))
	if t, err = t.New("tpl").Parse(text); err != nil {
		return "", fmt.Errorf("cannot parse template %q: %w", text, err)
	}
	var out strings.Builder
	if err := t.Execute(&out, v); err != nil {
		return "", fmt.Errorf("error during tpl for %q: %w", text, err)
	}
	return out.String(), nil
}
