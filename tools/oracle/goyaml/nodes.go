package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	yamlv3 "go.yaml.in/yaml/v3"
)

// nodes records a document read into go-yaml v3's tree and printed as kustomize's kyaml prints it.
func nodes(in string) {
	if seen["n"+in] || !utf8.ValidString(in) {
		return
	}
	seen["n"+in] = true
	// go-yaml panics at some lists as keys.
	defer func() { _ = recover() }()
	var node yamlv3.Node
	err := yamlv3.NewDecoder(strings.NewReader(in)).Decode(&node)
	if errors.Is(err, io.EOF) {
		emit("nodes", in, nil, nil)
		return
	}
	if err != nil {
		emit("nodes", in, nil, err)
		return
	}
	var text bytes.Buffer
	encoder := yamlv3.NewEncoder(&text)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	err = encoder.Encode(&node)
	emit("nodes", in, text.Bytes(), err)
}

var commentedScalars = append([]string{
	"|+\n%s  keep\n\n\n", ">\n%s  a\n%s   b\n%s  c\n\n", "[ # c1\n%s  a, # c2\n%s  b\n%s  # c3\n%s ]",
	"{ # c\n%s  a: 1, # d\n%s  # e\n%s  b: {x: y} # f\n%s }", "| # lc\n%s  text\n", "\"\\U0001F600 \\n\"", "|2\n%s     lead\n",
	"' a'", "'tr '", "\"a\\n b\"", "!foo x", "&b [x]", "{? a : b}", "[a: b]", "# c\n%s  x", "",
}, scalars...)

// commented makes a document with comments wherever they may be.
func (s source) commented() string {
	var b strings.Builder
	if s.Intn(8) == 0 {
		b.WriteString(s.pick([]string{"# head\n\n", "---\n", "--- # c\n# d\n", "# a\n\n# b\n"}))
	}
	s.commentedBlock(&b, 0, 0)
	text := b.String()
	if s.Intn(12) == 0 && len(text) > 0 {
		at := s.Intn(len(text))
		for at > 0 && text[at]&0xC0 == 0x80 {
			at--
		}
		text = text[:at] + s.pick(pieces) + text[at:]
	}
	return text
}

func (s source) comment(b *strings.Builder, indent int) {
	at := []int{indent, indent, indent + 2, indent + 1, max(0, indent-2), 0}[s.Intn(6)]
	pad := strings.Repeat(" ", at)
	switch s.Intn(22) {
	case 0, 1, 2:
		fmt.Fprintf(b, "%s# c%d\n", pad, s.Intn(99))
	case 3:
		b.WriteString("\n")
	case 4:
		fmt.Fprintf(b, "\n%s# s%d\n\n", pad, s.Intn(99))
	case 5:
		fmt.Fprintf(b, "%s# two\n%s# lines\n", pad, pad)
	}
}

func (s source) lineComment() string {
	if s.Intn(8) > 0 {
		return ""
	}
	return fmt.Sprintf(" # l%d", s.Intn(99))
}

func (s source) commentedBlock(b *strings.Builder, indent, depth int) {
	pad := strings.Repeat(" ", indent)
	isSequence := s.Intn(3) == 0
	keys := []string{"a%d: ", "a%d: ", "'q%d': ", "\"w %d\": ", "? c%d\n" + pad + ": ", "&k%d z: ", "? [x%d]\n" + pad + ": ", "%d: "}
	for i := range 1 + s.Intn(3) {
		s.comment(b, indent)
		if isSequence {
			b.WriteString(pad + "- ")
		} else {
			fmt.Fprintf(b, pad+s.pick(keys), i)
		}
		if depth < 4 && s.Intn(5) < 2 {
			if isSequence && s.Intn(2) == 0 {
				var inner strings.Builder
				s.commentedBlock(&inner, indent+2, depth+1)
				b.WriteString(strings.TrimPrefix(inner.String(), pad+"  "))
				continue
			}
			b.WriteString(s.lineComment() + "\n")
			s.commentedBlock(b, indent+[]int{2, 2, 2, 4, 3}[s.Intn(5)], depth+1)
			continue
		}
		text := strings.ReplaceAll(s.pick(commentedScalars), "%s", pad)
		b.WriteString(text)
		if !strings.Contains(text, "\n") {
			b.WriteString(s.lineComment())
		}
		if !strings.HasSuffix(text, "\n") {
			b.WriteString("\n")
		}
	}
	s.comment(b, indent)
}
