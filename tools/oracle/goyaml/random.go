package main

import (
	"fmt"
	"math"
	"math/rand"
	"strings"
)

// source makes inputs that are likely to be nearly right.
type source struct{ *rand.Rand }

func newRandom(seed int64) source { return source{rand.New(rand.NewSource(seed))} }

func (s source) pick(from []string) string { return from[s.Intn(len(from))] }

var pieces = []string{
	"a", "b: ", "key: ", "- ", "? ", ": ", "\n", "\n", "\n  ", "\n    ", " ", "  ", "\t", "#c", " # c", "'", "\"",
	"|", "|-\n", "|+\n", ">\n", ">2\n", "[", "]", "{", "}", ", ", ",", "&x ", "*x", "<<: ", "!!str ", "!!int ",
	"!!binary ", "!t ", "---\n", "...\n", "yes", "0x1F", "017", "1_000", "1.5e3", ".5", "~", "null", "\\n", "\\x41",
	"é", "\u0085", "\u2028", "\r\n", "%YAML 1.1\n", "%", "@", "`", "-", ":", "?", "!", "&", "*", "2001-01-01", "12:30:45",
	"word word", "true", "n", "\"q\": ", "'s': ", "\\", "''",
}

func (s source) document() string {
	var b strings.Builder
	if s.Intn(3) == 0 {
		s.block(&b, 0, 0)
		text := b.String()
		// A slip of the pen in half of them.
		if s.Intn(2) == 0 && len(text) > 0 {
			at := s.Intn(len(text))
			for at > 0 && text[at]&0xC0 == 0x80 {
				at--
			}
			text = text[:at] + s.pick(pieces) + text[at:]
		}
		return text
	}
	for range 1 + s.Intn(12) {
		b.WriteString(s.pick(pieces))
	}
	return b.String()
}

var scalars = []string{
	"a", "some words", "1", "-5", "0o17", "0b101", "1e3", "1.10", "yes", "off", "~", "''", "\"x\\ty\"", "'it''s'", "2001-01-01",
	"[a, b]", "{a: 1, b: [x]}", "[]", "{}", "|\n%s  line\n%s    more\n", ">-\n%s  one\n%s  two\n\n%s  three\n",
	"\"folded\n%s   text\"", "plain\n%s   folded", "&a 1", "*a", "!!str 12", ".inf", "é", "!!float 3", "a: b", "a #c", "a:b", "-x",
}

func (s source) block(b *strings.Builder, indent, depth int) {
	pad := strings.Repeat(" ", indent)
	n := 1 + s.Intn(3)
	sequence := s.Intn(3) == 0
	for i := range n {
		b.WriteString(pad)
		if sequence {
			b.WriteString("- ")
		} else {
			b.WriteString(s.pick([]string{"a", "b", "k", "key-", "\"q\"", "n", "1", "1.5", "<<"}))
			if s.Intn(3) > 0 {
				fmt.Fprint(b, i)
			}
			b.WriteString(": ")
		}
		if depth < 4 && s.Intn(3) == 0 {
			b.WriteString("\n")
			s.block(b, indent+2, depth+1)
			continue
		}
		text := strings.ReplaceAll(s.pick(scalars), "%s", pad)
		b.WriteString(text)
		if !strings.HasSuffix(text, "\n") {
			b.WriteString("\n")
		}
		if s.Intn(10) == 0 {
			b.WriteString("# comment\n")
		}
	}
}

var words = []string{
	"a", "b", "yes", "no", "on", "null", "true", "1", "0x1F", "1e3", "1_0", "12:30", "2001-01-01", ":", "#", " ", "  ", "\n", "\n\n",
	"\t", "é", "漢字", "\U0001F600", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "\r", "\x00", "\x1b", "\"", "'", "\\", "- ", "? ",
	": ", " #", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "%", "@", "`", "<<", "~", "---", "...", "word", "longerword", "{{ .x }}",
	"-", "=", "<", "/path/to", "0", "00", "10", "a1", "a10", "a2", "A", "_", ".", "kubernetes.io/name", "e", "+1", ".5", "\u007f", "\ufffe",
}

func (s source) text() string {
	var b strings.Builder
	n := s.Intn(4)
	if s.Intn(5) == 0 {
		n = 10 + s.Intn(30)
	}
	for i := range n {
		if i > 0 && s.Intn(3) > 0 {
			b.WriteString(" ")
		}
		b.WriteString(s.pick(words))
	}
	return b.String()
}

func (s source) number() any {
	switch s.Intn(6) {
	case 0:
		return s.Int63() - s.Int63()
	case 1:
		return s.Intn(2000) - 1000
	case 2:
		return uint64(math.MaxInt64) + uint64(s.Intn(1000))
	case 3:
		return math.Round(s.NormFloat64()*1e4) / 100
	case 4:
		return s.NormFloat64() * math.Pow(10, float64(s.Intn(60)-30))
	default:
		return float64(s.Intn(100)) * math.Pow(10, float64(s.Intn(30)))
	}
}

func (s source) value(depth int) any {
	kind := s.Intn(10)
	if depth > 4 {
		kind = s.Intn(6)
	}
	switch {
	case kind < 4:
		return s.text()
	case kind == 4:
		return s.number()
	case kind == 5:
		return []any{nil, true, false, "", map[string]any{}, []any{}}[s.Intn(6)]
	case kind < 8:
		list := make([]any, s.Intn(4))
		for i := range list {
			list[i] = s.value(depth + 1)
		}
		return list
	default:
		object := map[string]any{}
		for range s.Intn(5) {
			object[s.text()] = s.value(depth + 1)
		}
		return object
	}
}
