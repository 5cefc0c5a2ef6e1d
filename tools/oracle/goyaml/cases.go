package main

import (
	"fmt"
	"strings"
)

// plains are scalars whose meaning depends on the rules of YAML 1.1.
var plains = []string{
	"y", "Y", "yes", "Yes", "YES", "yEs", "n", "N", "no", "No", "NO", "true", "True", "TRUE", "tRUE", "on", "On", "ON", "off", "Off", "OFF",
	"~", "null", "Null", "NULL", "nUll", "", "0", "-0", "+0", "1", "+1", "-1", "00", "01", "07", "08", "09", "010", "0777", "-0777", "+017", "0o17", "0o8", "-0o17",
	"+0o17", "0O17", "0b101", "-0b101", "+0b101", "0b", "0b2", "0B1", "0b-1", "0b+1", "-0b-1", "0b_1", "0x1F", "0X1f", "-0x1F", "0x", "0xg", "0x_1", "1_000",
	"_1", "1_", "1__0", "-_1", "+_1", "0_7", "0x1_F", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
	"18446744073709551615", "18446744073709551616", "+9223372036854775808", "0xFFFFFFFFFFFFFFFF", "-0xFFFFFFFFFFFFFFFF", "0b1111111111111111111111111111111111111111111111111111111111111111",
	"1.", "1.0", "1.5", ".5", "-.5", "+.5", ".", "..", "-", "+", "-.", "+.", "1e3", "1E3", "1e+3", "1e-3", "1.e3", ".5e3", "1e", "e3", "1e400", "-1e400", "1e-400", "1_0.5_0", "._5", ".5_5", ".5_",
	".5e", ".5e1_0", "1.5.5", "0.1", "00.5", "08.5", "1e20", "1e21", "1e22", "123456789012345678901234567890", "0.0000001", "1e-7", "-0.0", "0.0", "3.0", "1.10", "100000000000000000000",
	".inf", ".Inf", ".INF", ".iNF", "+.inf", "-.inf", "-.INF", "+.Inf", ".nan", ".NaN", ".NAN", ".nAn", "+.nan", "inf", "Infinity", ".infinity", "nan", "NaN",
	"1:30", "12:30:45", "190:20:30.15", "-1:00", "1:60", "1:6", "1:61", "0:0", "1_0:30", "1:30.", "1:30.5_", "+1:2", "1:2:", ":1", "1::2",
	"2001-01-01", "2001-1-1", "2001-13-01", "2001-02-29", "2000-02-29", "1900-02-29", "2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43Z", "2001-12-14 21:59:43.10 -5",
	"2001-12-15 2:59:43.10", "2001-12-15  2:59:43", "2001-12-15 2:59", "2001-12-15T2:59:43", "2001-12-15 2:59:43Z", "20010101", "2001-01", "2001-01-01x", "2001-01-01 ", "2001-12-14T21:59:60Z", "2001-12-14T24:00:00Z",
	"2001-12-14T21:59:43,5Z", "2001-12-14T21:59:43+24:00", "2001-12-14T21:59:43+25:00", "2001-12-14T21:59:43+05:60", "2001-12-14T21:59:43+05:61", "2001-12-14T21:59:43+0500", "2001-00-01", "2001-01-00", "2001-04-31", "02001-01-01", "2001-001-01",
	"2001-1-1T1:1:1Z", "2001-12-14T21:59:43.123456789012Z", "2001-12-14T021:59:43Z", "2001-12-14z", "<<", "=", "!", "!!", "&", "*", "%", "@", "`", "|", ">", "#", "?", "-a", "?a", ":a", "a:", "a: b", "a :b", "a #b", "a# b", "a'b", "a\"b",
	"{{ .Values.x }}", "{{- if x }}", "[a", "{a", "]", "}", ",", "a,b", "a]b", "-1-", "1-1", "1+1", "v1.2.3", "1.2.3", "0.1.2", "1.2.3.4/24", "10Gi", "500m", "5%", "1e3m", "0xdeadbeefg", "é", "漢字", "😀", "a\u00a0b",
	"null ", "~x", "nullx", "yesx", "0x 1", "1 000", "tag:x", "http://x/y", "a::b", "::", "a: ", "- a", "? a", "--- a", "---", "...", "--", "..a", "-- a", "...a", "!!str", "!x a", "*a", "&a", "&a b",
}

var templates = []string{"%s", "k: %s", "- %s", "%s: v", "[%s]", "{k: %s}", "{%s: v}", "\"%s\"", "'%s'", "!!str %s", "!!int %s", "!!float %s", "!!bool %s", "!!null %s", "!!timestamp %s", "!!binary %s", "!x %s", "! %s", "! '%s'", "!!int '%s'"}

// documents are whole texts, good and bad.
var documents = []string{
	"", "\n", " ", "\t", "# c", "# c\n", "---", "---\n", "--- a", "---\na", "--- # c\n", "...", "...\n---\n", "a\n...", "a\n...\nb", "a\n---\nb", "---\n---\n", "---\n...\n", "--- |\n a\n", "--- >\n a\n b\n", "--- {a: b}\n", "--- - a",
	"a: 1\n---\nb: [", "a: 1\n--- \u0001", "\ufeffa: 1", "\ufeff\ufeffa: 1", "\ufeff# c\na: 1", "a: \ufeff1", "a: 1\n\ufeffb: 2",
	"a: 1\nb: 2\na: 3", "a: 1\na: 2\na: 3\nb: 1\nb: 2", "1: a\n0x1: b\n'1': c", "yes: a\ntrue: b", "1.5: a\n1.50: b", "? a\n? b", "? a\n: b", "? [a]\n: b", "? {a: b}\n: c", "[a]: b", "{a: b}: c", "- ? a", "- ? a\n  : b",
	"{a}", "{a: }", "{a, b: c}", "{a: b, }", "{, a}", "{a b}", "{a: b c: d}", "{a: b", "{a: b]", "[a, b", "[a b]", "[a, , b]", "[a, ]", "[,]", "[a: b]", "[a: b, c]", "[? a]", "[? a : b]", "[: b]", "[a: ]", "{: b}", "{?}", "{? a}", "{? a: b}", "[? ]", "[{a: b}: c]", "{\"a\":1}", "{\"a\":[1,2],\"b\":{\"c\":null}}", "{a:1}", "{a: 'b':c}", "[\"a\":b]", "['a':b]", "[a:b]", "{a:b}", "{a?: b}", "[a?]",
	"a: b: c", "a: - b", "- - a", "- - - a\n    - b\n  - c\n- d", "-\n  a", "-\n- b", "- a\n b", "a:\n- b\n- c", "a:\n  - b\n - c", "a:\n- b\nc: d", "a:\n  b: c\n d: e", "a:\n    b: c\n  d: e", "a: b\n c: d", "a\nb: c", "a: b\nc", "a: b\n- c", "- a\nb: c", " a: b\nc: d", "a:\n b\n c", "a:\n\tb: c", "\ta: b", "a:\tb", "a: b\t", "a: \tb", "-\ta", "- \ta: b", "a:\n  - b\n\t- c", "a: |\n\tb", "a: |\n b\n\tc", "a:\n b\n\tc",
	"a: 'b", "a: \"b", "a: 'b\n---\nc'", "a: 'b\n\n c'", "a: \"b\n\n c\"", "a: \"b \\\n  c\"", "a: \"b\\\n\n  c\"", "a: \"\\q\"", "a: \"\\/\"", "a: \"\\x4\"", "a: \"\\x41\\u00e9\\U0001F600\"", "a: \"\\ud83d\\ude00\"", "a: \"\\U00110000\"", "a: \"\\0\\a\\b\\t\\n\\v\\f\\r\\e\\ \\\"\\'\\\\\\N\\_\\L\\P\"", "a: \"\\\tb\"", "\"\\", "\"\\x", "a: 'b''c'", "a: ''", "a: 'b' c", "a: \"b\" c", "a: 'b'c: d", "'a': b", "\"a\": b", "\"a\" : b", "\"a\n b\": c", "'a\n\n\n  b'", "\"a  \n  b\"", "\"  a  \"", "\" \n \"", "\"\n\"", "\"a\u0085b\"", "\"a\u2028b\"", "a\u0085b", "a: b\u2028c: d", "a: |\n b\u2028c", "a: b\r\nc: d\r\n", "a: b\rc: d", "a: |\r\n b\r\n c\r\n",
	"a: |\n b\n", "a: |\n b", "a: |-\n b\n", "a: |+\n b\n\n", "a: |+\n b\n\n\nc: d", "a: |\n b\n\n\nc: d", "a: |2\n   b\n", "a: |2-\n   b\n", "a: |-2\n   b\n", "a: |0\n b", "a: |10\n b", "a: |+-\n b", "a: |x\n b", "a: | # c\n b", "a: |#c\n b", "a: |", "a: |\n", "a: |\nb: c", "a: |\n\n\nb: c", "a: |+\n\n\nb: c", "a: |\n  b\n c\n", "a: |\n    b\n  c\n", "a: |\n\n   b\n  c", "a: |\n     \n  b", "|\n a", "|\na", "- |\n a\n- >\n b", "- |\na", "a: >\n b\n c\n", "a: >\n b\n\n c\n", "a: >\n b\n  c\n d\n", "a: >\n b\n\n  c\n\n d\n", "a: >-\n\n b\n", "a: >+\n b\n\n\n", "a: >\n  b\n\n\n  c\n", "a: >\n\tb", "a: |\n  b\n # c\nd: e", "a: |1\n b\n  c",
	"a: &x 1\nb: *x", "a: *x", "a: &x\nb: *x", "&x a: b\n*x : c", "*x: a", "a: &x [*x]", "a: &x {b: *x}", "a: & b", "a: * b", "a: &x &y b", "a: &x !!str 1", "a: !!str &x 1", "a: !!str !!int 1", "a: &x *x", "a: &x-1 b\nc: *x-1", "a: &é b", "a: &x, b", "&a [1, 2]", "- &x a\n- *x\n- &x b\n- *x", "&x", "- &x\n- *x",
	"a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3", "a: &x {k: 1}\nb:\n  k: 3\n  <<: *x", "a: &x {k: 1}\nc: &y {k: 2, m: 4}\nb:\n  <<: [*x, *y]", "<<: {a: 1}\nb: 2", "<<: [{a: 1}, {a: 2, b: 3}]", "<<: 1", "<<: [1]", "<<: a", "a: &x 1\n<<: *x", "a: &x [{b: 1}]\n<<: *x", "'<<': {a: 1}", "<<: {a: 1}\n<<: {b: 2}", "!!merge <<: {a: 1}", "!!merge x: {a: 1}", "<<:", "<<: []", "a: <<", "<<: {<<: {a: 1}, b: 2}",
	"!!binary aGVsbG8=", "!!binary aGVsbG8", "!!binary 'aGVs\n bG8='", "!!binary |\n aGVs\n bG8=\n", "!!binary /w==", "!!binary gICA", "!!binary aGVsbG9=", "!!binary !", "!!binary aGVsbG8=: x", "!!binary []", "!!int []", "!!str {}", "!!map {a: b}", "!!seq [a]", "!!set {a}", "!!omap [a: b]", "!!null ''", "!!null a", "!!bool a", "!!bool 1", "!!float 1", "!!float 18446744073709551615", "!!int 1.5", "!!int a", "!!str", "!!str\n", "a: !!str", "a: !!int", "a: !", "a: !x", "!<tag:yaml.org,2002:str> 1", "!<tag:yaml.org,2002:int> '1'", "!<!x> 1", "!<x 1", "!<> 1", "!x!y 1", "!!x%41 1", "!!x%4 1", "!!x%ff 1", "!!x%c3%a9 1", "!!x%c3%41 1", "!x, 1", "[!x , 1]", "[!x, 1]", "!é 1", "a: !!str, b", "!!foo bar", "!foo {a: b}",
	"%YAML 1.1\n---\na", "%YAML 1.2\n---\na", "%YAML 1\n---\na", "%YAML 1.\n---\na", "%YAML 1.111\n---\na", "%YAML x\n---\na", "%YAML 1.1 x\n---\na", "%YAML 1.1 # c\n---\na", "%YAML 1.1\n%YAML 1.1\n---\na", "%YAML 1.1\na", "%TAG ! x:\n---\n!a b", "%TAG !e! x:\n---\n!e!a b", "%TAG !e! x:\n%TAG !e! y:\n---\na", "%TAG !e x:\n---\na", "%TAG e! x:\n---\na", "%TAG !e!\n---\na", "%TAG !! tag:yaml.org,2002:\n---\n!!int '1'", "%TAG !! x:\n---\n!!int '1'", "%FOO bar\n---\na", "%\n---\na", "%YAML1.1\n---\na", "%é", "a\n%YAML 1.1\n---\nb", "a: 1\n...\n%YAML 1.1\n---\nb",
	"~: a", "null: a", ": a", "? : a", "{~: a}", "[~: a]", "a: {null: 1}", "18446744073709551615: a", ".inf: a", "-.inf: a", ".nan: a", "a: .inf", "a: [.nan]", "1e100: a", "1.1: a", "0.1: a", "123456789.5: a", "1e3: a", "1.0: a", "-5: a", "0777: a", "2001-01-01: a", "true: a\nyes: b", "n: a", "y: a\nn: b",
	"a: @b", "a: `b", "a: %b", "@a", "`a", "%a", "a: ,b", "a: ]", "a: }", "a: [b]c", "a: {b}c", "a: \"b\"c", "]", "}", ",", ":", "?", "-", "!", "a: b #c", "a: b#c", "a: #c\n  b", "#a\n#b\nc: d", "a: b\n\n\n#c\n\nd: e\n", "a:\n#c\n  b: c", "a:\n  #c\n  b: c", "a: [b, #c\n c]", "a: [\nb\n]", "a: {\n b: c\n}", "a: [\n]\nb: c", "a: [b\nc]", "a: {b\nc: d}", "a:\n  [b]: c", "key with spaces: v", "key: value with: colon", "key: 'x': y", "a: b\n  c\n  d", "a: b\n\n  c", "a: b\n  # c\n  d", "a: b:c", "a: b :c", "a: b - c", "a: -", "a: - ", "a: ?", "a: ? b", "a:\n? b", "a:\n  ? b\n  : c", "a: --- b", "a: ...", "- ---", "-a", "--a", "- -a", "-- a", "a--- b", "---a", "...a",
	"a: {{ .Values.x }}", "a: \"{{ .Values.x }}\"", "{{ .Values.x }}: a", "{{- if .x }}\na: b\n{{- end }}", "a: {{ toYaml .x | nindent 4 }}", "a: [{{ x }}]",
	"a:\n  - b\n  c: d", "a:\n- b\n  c: d", "a:\n- b: 1\n  c: 2\n- d: 3", "- a: 1\n  b:\n  - c\n  - d\n- e", "a:\n- - b\n  - c\n- d", "a:\n  b:\n    c:\n      - d:\n          e: f", "- a:\n  - b", "- a:\n  b", "-   a: 1\n    b: 2", "-   a: 1\n  b: 2", "a:   1\nb:\n   c: 2", "? a\n  b\n: c", "? |\n  a\n: b", "? a: b\n: c", "? - a\n: b", "? a\n:\n  b: c", "? a\n:\n- b", "a\n: b", "? a\nb", "'a\n b': c", "a b\n c: d",
	"\x01", "a: \x01", "a: b\nc: \x7f", "a\u0080", "a\u0085", "\ufffe", "a: \uffff", "\xff", "a: \xff", "a: \xc3", "a: \xc3(", "a: \xe2\x28\xa1", "a: \xe2\x82", "a: \xf0\x9f\x98", "a: \xed\xa0\x80", "a: \xc0\x80", "a: \xf5\x80\x80\x80", "a: \x80", "\xff\xfea\x00:\x00 \x001\x00", "\xfe\xff\x00a\x00:\x00 \x001", "\xff\xfea", "\xff\xfe\x00\xd8", "\xff\xfe\x00\xdc", "\xff\xfe\x3d\xd8\x00\xde", "\x00", "a: b\x00c", "a: b\x00", "\xef\xbb", "\xef\xbb\xbf",
	"a: 1\nb: @\n", "a: 1\nb: [\n", "a: 1\nb: {c\n", "a: 1\n b: 2\n", "a: 1\nb\nc: 2\n", "a: 1\nb: 'x\n", "a:\n  - 1\n - 2\n", "a: b\nc: d: e\n", "x:\n  a: b\n   c: d\n", "x:\n  a:\n   - b\n  - c\n", "a: 1\n\n\nb: %\n", "a: 1\nb: *q\n", "a: 1\nb: !z!q x\n", "a: 1\nb: \"\\q\"\n", "a: 1\nb: |9x\n", "a: 1\n%x\n",
}

func readCases() []string {
	cases := append([]string{}, documents...)
	for i, plain := range plains {
		for j, template := range templates {
			// Every scalar in the plain places, and a rotating choice of the others.
			if j < 4 || (i+j)%4 == 0 {
				cases = append(cases, strings.Replace(template, "%s", plain, 1))
			}
		}
	}
	for _, n := range []int{100, 127, 1020, 1021, 1022, 1023, 1024, 1025, 1030} {
		key := strings.Repeat("k", n)
		cases = append(cases, key+": v", "\""+key+"\": v", "{"+key+": v}", "{\""+key+"\": v}", "["+key+"]: v", "- "+key+": v", "a: 1\n"+key+": v", "a: 1\n"+key+"\n")
	}
	cases = append(cases, strings.Repeat("[", 60), strings.Repeat("[", 60)+strings.Repeat("]", 60), strings.Repeat("- ", 60)+"a", strings.Repeat("{a: ", 60)+strings.Repeat("}", 60))
	// Aliases: a little of what is allowed, and what is not.
	for _, n := range []int{10, 90, 110, 900, 1000, 1100, 2000} {
		cases = append(cases, "a: &a x\nb: ["+strings.TrimSuffix(strings.Repeat("*a, ", n), ", ")+"]")
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'h'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	return append(cases, bomb)
}

func writeCases() []any {
	var cases []any
	for _, plain := range plains {
		cases = append(cases, plain, map[string]any{plain: plain}, []any{plain + " "}, " "+plain, plain+"\n", map[string]any{"k": plain + "\nx"})
	}
	long := strings.Repeat("word ", 40)
	cases = append(cases,
		nil, true, false, "", 0, -1, 1.5, 1e6, 1e20, 1e21, 1e22, 1e-5, 1e-6, 1e-7, 123456789.0, 12345678.9, 0.1, uint64(1)<<63, int64(-1)<<63, 1<<53+1, 3.0, -0.5, 1e300, 5e-324, 1.7976931348623157e308,
		map[string]any{}, []any{}, []any{[]any{}}, []any{map[string]any{}}, map[string]any{"a": []any{}}, map[string]any{"a": map[string]any{}}, []any{[]any{1, 2}, []any{3}}, []any{[]any{[]any{"a"}, "b"}},
		[]any{map[string]any{"a": 1, "b": []any{map[string]any{"c": 1}}}}, map[string]any{"a": []any{[]any{"x"}, map[string]any{"y": nil}}}, map[string]any{"a": map[string]any{"b": map[string]any{"c": "d"}}},
		long, strings.TrimSpace(long), long+"\n", "x"+long, map[string]any{"key": strings.TrimSpace(long)}, map[string]any{"key": "'" + strings.TrimSpace(long)}, map[string]any{"key": "\"" + strings.TrimSpace(long)}, map[string]any{"key": "# " + strings.TrimSpace(long)}, map[string]any{"key": strings.TrimSpace(long) + "\u0001"}, map[string]any{"key": strings.ReplaceAll(strings.TrimSpace(long), " ", "  ")},
		map[string]any{"key": strings.ReplaceAll(strings.TrimSpace(long), " ", "  ") + "\t"}, map[string]any{"key": strings.Repeat("é ", 60) + "x"}, map[string]any{"key": strings.Repeat("x", 200) + " y z"}, map[string]any{"key": strings.Repeat("x", 81) + " "}, map[string]any{"key": "# " + strings.Repeat("x", 81) + " "}, map[string]any{"key": "# " + strings.Repeat("x", 81) + " y"}, map[string]any{"key": strings.Repeat("x", 81) + " y\x01"}, map[string]any{"key": strings.Repeat("x", 81) + "  y\x01"},
		map[string]any{strings.TrimSpace(long): 1}, map[string]any{"# " + strings.TrimSpace(long)[:100]: 1},
		"a\nb", "a\nb\n", "a\nb\n\n", "\n", "\n\n", "\na", " a\nb", "a \nb", "a\n b", "a\n b\n", "a\n\n\nb", "a\tb\nc", "\ta\nb", "a\n\tb", "a\nb ", "a\r\nb", "a\rb", "a\u2028b", "a\u2028\nb", "a\u2028", "\u2028a", "a \u2028b", "a\u2028 b", "a\u0085b", "a \u0085 b", "a\u0085\u0085b", "\u0085", "a\u0085", "a\n\u0085b", "a\ufeffb", "\ufeffab", "\ufeff a\nb", "\ufeff", "a\u00a0b", "\u00a0", "é", "漢字", "😀", "a😀b", "a\x00b", "\x00", "a\x1bb", "a\x7fb", "a\u0080b", "a\ufffeb", "a\ufffdb", "\u2029", "a\tb", "\t", "\ta", "a\t", "a: b\tc",
		map[string]any{"a\nb": 1}, map[string]any{"a\u2028b": 1}, map[string]any{"": 1}, map[string]any{" ": 1}, map[string]any{"a\tb": 1}, map[string]any{"\n": "\n"}, map[string]any{"a\nb": []any{1}, "c\nd": map[string]any{"e": 1}},
		[]any{"a\nb", map[string]any{"k": "a\nb\n", "l": "c"}, []any{"x\ny"}}, []any{"a\n\n", "b"}, map[string]any{"a": "x\n\n", "b": "y"}, []any{" a\nb"}, map[string]any{"a": []any{" x\ny"}},
		map[string]any{"a1": 1, "a10": 1, "a2": 1, "a": 1, "A": 1, "b": 1, "_": 1, "1": 1, "10": 1, "2": 1, "01": 1, "a-b": 1, "a.b": 1, "ab": 1, "a b": 1, "é": 1, "漢": 1, "a1b": 1, "a1.": 1, "a01": 1, "a001": 1, "a0": 1, "a00": 1, "": 1, "a10b": 1, "a1c": 1, "aé": 1, "😀": 1},
		map[string]any{"v1": 1, "v1.10": 1, "v1.9": 1, "v1.9.0": 1, "v1beta1": 1, "v1alpha1": 1, "v10": 1, "v2": 1}, map[string]any{"x100": 1, "x1000": 1, "x10": 1, "x99999999999999999999": 1, "x9": 1, "x0": 1, "x00": 1, "x1": 1, "x10a": 1, "x1a": 1, "x-1": 1, "x.1": 1},
		map[string]any{"true": 1, "y": 2, "null": 3, "~": 4, "<<": 5, "1.5": 6, "0x1": 7, "2001-01-01": 8, "1:30": 9, "#": 10, "- a": 11, "a: b": 12, "a #b": 13},
	)
	for _, n := range []int{126, 127, 128, 129, 130, 1018, 1019, 1020, 1021, 1022, 1023, 1024, 1025, 1030} {
		cases = append(cases, map[string]any{strings.Repeat("k", n): "v"}, map[string]any{strings.Repeat("k", n): []any{"v"}}, []any{map[string]any{strings.Repeat("é", n/2): map[string]any{"a": 1}}})
		cases = append(cases, map[string]any{"a": map[string]any{strings.Repeat("<", n/6) + "\"": 1}})
	}
	for width := 74; width < 86; width++ {
		cases = append(cases, map[string]any{"key": strings.Repeat("x", width) + " yyy zzz"}, []any{strings.Repeat("x", width) + " yyy  zzz"}, map[string]any{"key": []any{"'" + strings.Repeat("x", width) + " y z"}}, strings.Repeat("x", width)+" # y z "+strings.Repeat("x", 80)+" a b", map[string]any{"k": "\"" + strings.Repeat("x", width) + " \\ y\tz "})
	}
	return cases
}

func indentCases() []any {
	return []any{nil, "a<b", 1.5, []any{}, map[string]any{}, []any{1}, []any{[]any{}, map[string]any{}}, map[string]any{"a": []any{1, map[string]any{"b": "c"}}, "d": map[string]any{}, "e": []any{[]any{[]any{}}}}}
}
