package main

import (
	"fmt"
	"strings"
)

// template is a random template: statements that print expressions.
func (g *generator) template() string {
	if g.IntN(3) > 0 {
		return g.shown(g.call(all[g.IntN(len(all))], 3))
	}
	return g.statements(2, &scope{})
}

// scope is what expressions may name besides the chart's objects.
type scope struct {
	variables []string
	inRange   bool
}

func (g *generator) statements(depth int, s *scope) string {
	var out strings.Builder
	for range 1 + g.IntN(3) {
		out.WriteString(g.statement(depth, s))
	}
	return out.String()
}

// expression is a pipeline of any kind, at times of variables and of the dot.
func (g *generator) expression(depth int, s *scope) string {
	switch n := g.IntN(10); {
	case n < 2 && len(s.variables) > 0:
		return g.one(s.variables)
	case n == 2:
		return "."
	case n == 3:
		return g.argument("nslda"[g.IntN(5)], 0)
	case n == 4 && len(s.variables) > 0:
		return g.one(s.variables) + " | " + g.one([]string{"toJson", "default 1", "quote", "printf \"%v\"", "toString", "empty", "len", "kindOf", "not", "upper"})
	}
	return g.call(all[g.IntN(len(all))], depth)
}

// iterable is an expression that range takes, mostly. No large integer: range would count up to it.
func (g *generator) iterable() string {
	switch g.IntN(8) {
	case 0:
		return g.one(noCount)
	case 1:
		return g.one(pools['s'])
	case 2, 3:
		return g.one(pools['d'])
	}
	return g.one(pools['l'])
}

func (g *generator) trim() (string, string) {
	return g.one([]string{"{{ ", "{{- ", "{{", "{{ "}), g.one([]string{" }}", " -}}", "}}", " }}"})
}

func (g *generator) action(text string) string {
	open, end := g.trim()
	if open == "{{" && strings.HasPrefix(text, "-") {
		open = "{{ "
	}
	return open + text + end
}

func (g *generator) statement(depth int, s *scope) string {
	inner := func(with *scope) string {
		if depth == 0 {
			return g.action(g.expression(1, with))
		}
		return g.statements(depth-1, with)
	}
	copied := func() *scope { return &scope{append([]string(nil), s.variables...), s.inRange} }
	switch g.IntN(14) {
	case 0, 1:
		name := fmt.Sprintf("$v%d", g.IntN(4))
		text := g.action(name + " := " + g.expression(1, s))
		s.variables = append(s.variables, name)
		return text
	case 2:
		if len(s.variables) > 0 {
			return g.action(g.one(s.variables) + " = " + g.expression(1, s))
		}
	case 3, 4:
		text := g.action("if " + g.expression(1, s))
		if g.IntN(5) == 0 {
			text = g.action("if $c := " + g.expression(1, s))
		}
		text += inner(copied())
		if g.IntN(3) == 0 {
			text += g.action("else if "+g.expression(1, s)) + inner(copied())
		}
		if g.IntN(2) == 0 {
			text += g.action("else") + inner(copied())
		}
		return text + g.action("end")
	case 5:
		text := g.action("with "+g.expression(1, s)) + inner(copied())
		if g.IntN(3) == 0 {
			text += g.action("else with "+g.expression(1, s)) + inner(copied())
		}
		if g.IntN(2) == 0 {
			text += g.action("else") + inner(copied())
		}
		return text + g.action("end")
	case 6, 7, 8:
		with := copied()
		with.inRange = true
		head := g.one([]string{"range ", "range $i, $x := ", "range $x := ", "range $i, $x = "})
		if strings.Contains(head, ":=") {
			with.variables = append(with.variables, "$x")
		}
		if strings.Contains(head, "$i, $x :=") {
			with.variables = append(with.variables, "$i")
		}
		before := ""
		if strings.Contains(head, " = ") {
			before = "{{ $i := 0 }}{{ $x := 0 }}"
			s.variables = append(s.variables, "$i", "$x")
		}
		text := before + g.action(head+g.iterable()) + inner(with)
		if g.IntN(3) == 0 {
			text += g.action("else") + inner(copied())
		}
		return text + g.action("end")
	case 9:
		if s.inRange {
			return g.action("if "+g.expression(0, s)) + "{{ " + g.one([]string{"break", "continue"}) + " }}{{ end }}"
		}
	case 10:
		return fmt.Sprintf("{{ block \"b%d\" %s }}%s{{ end }}", g.IntN(1000), g.argument('a', 1), inner(&scope{}))
	case 11:
		return g.one([]string{"text", " \n ", "\t", "{{/* c */}}", "{{- /* c */ -}}", "<no value>", "ü"})
	case 12:
		return g.action(fmt.Sprintf("%s %s %s", g.one([]string{"eq", "ne", "lt", "le", "gt", "ge"}), g.argument("nsbla"[g.IntN(5)], 1), g.argument("nsbla"[g.IntN(5)], 1)))
	}
	return g.action(g.expression(2, s))
}
