package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"sort"
	"strings"
	"time"
)

// generate writes cases with answers that are the same each time.
func generate(out io.Writer, seed uint64, count int, function string) error {
	g := &generator{rand.New(rand.NewPCG(seed, 7))}
	buffered := bufio.NewWriter(out)
	for range count {
		c := testCase{Template: g.template()}
		if function != "" {
			names := strings.Split(function, ",")
			c = testCase{Template: g.shown(g.call(byName[names[g.IntN(len(names))]], 1))}
		}
		if c, settled := settledAnswer(c); settled {
			if err := write(buffered, c); err != nil {
				return err
			}
		}
	}
	return buffered.Flush()
}

// settledAnswer answers a case several times, because Go goes through maps in any order.
func settledAnswer(c testCase) (testCase, bool) {
	slow := time.AfterFunc(5*time.Second, func() {
		fmt.Fprintln(os.Stderr, "slow:", c.Template)
	})
	defer slow.Stop()
	first := answer(c)
	times := 1
	if strings.Contains(c.Template, "keys") || strings.Contains(c.Template, "values") || strings.Contains(c.Template, "pluck") {
		times = 12
	}
	for range times {
		if key(answer(c)) != key(first) {
			return first, false
		}
	}
	return first, !strings.Contains(key(first), "0xc00")
}

func key(c testCase) string {
	var parts []string
	for _, part := range []*string{c.Output, c.Base64, c.Error} {
		if part != nil {
			parts = append(parts, *part)
		}
	}
	return strings.Join(parts, "")
}

type generator struct{ *rand.Rand }

func (g *generator) one(from []string) string { return from[g.IntN(len(from))] }

// argument is an expression of the kind, at times of another kind, nested at most so deep.
func (g *generator) argument(kind byte, depth int) string {
	if kind == 'c' {
		if g.IntN(8) == 0 {
			return g.one(noCount)
		}
		return g.one(pools['c'])
	}
	if g.IntN(9) == 0 {
		return g.one(wholePool)
	}
	if depth > 0 && g.IntN(3) == 0 {
		if kind == 'a' {
			return "(" + g.call(all[g.IntN(len(all))], depth-1) + ")"
		}
		from := map[byte]byte{'e': 's', 'S': 's', 'p': 's', 'o': 'd', 'w': 'd', 'y': 's', 'j': 's'}[kind]
		if from == 0 {
			from = kind
		}
		if makers := byResult[from]; len(makers) > 0 {
			return "(" + g.call(makers[g.IntN(len(makers))], depth-1) + ")"
		}
	}
	return g.one(pools[kind])
}

// call is a call of the function, with the last argument piped into it at times, or with too few or too many.
func (g *generator) call(s signature, depth int) string {
	var args []string
	for _, param := range s.params {
		times := 1
		switch {
		case strings.HasSuffix(param, "*"):
			times = g.IntN(4)
		case strings.HasSuffix(param, "?"):
			times = g.IntN(2)
		}
		for range times {
			args = append(args, g.argument(param[0], depth))
		}
	}
	switch n := g.IntN(30); {
	case n == 0 && len(args) > 0 && !strings.Contains(" until untilStep seq repeat ", " "+s.name+" "):
		args = args[:len(args)-1]
	case n == 1 && s.name != "seq":
		args = append(args, g.one(wholePool))
	}
	if len(args) > 0 && g.IntN(3) == 0 {
		last := args[len(args)-1]
		return strings.Join(append([]string{last, "|", s.name}, args[:len(args)-1]...), " ")
	}
	return strings.Join(append([]string{s.name}, args...), " ")
}

// shown is a template that prints what the expression gives, and its type.
func (g *generator) shown(expression string) string {
	switch g.IntN(6) {
	case 0:
		return fmt.Sprintf("{{ $r := %s }}{{ printf \"%%T %%#v\" $r $r }}", expression)
	case 1:
		return fmt.Sprintf("{{ %s | toJson }}", expression)
	case 2:
		return fmt.Sprintf("{{ $r := first (list (%s)) }}{{ printf \"%%T %%v\" $r $r }}", expression)
	}
	return "{{ " + expression + " }}"
}

// sample writes answered calls of one function: for each shape of answers the shortest.
func sample(out io.Writer, seed uint64, count int, function string) error {
	s, ok := byName[function]
	if !ok {
		return fmt.Errorf("no function %q", function)
	}
	g := &generator{rand.New(rand.NewPCG(seed, 3))}
	shortest := map[string]testCase{}
	for range count {
		c, settled := settledAnswer(testCase{Template: g.shown(g.call(s, 0))})
		if !settled || len(key(c)) > 600 {
			continue
		}
		shape := shapeOf(c)
		if old, ok := shortest[shape]; !ok || len(c.Template) < len(old.Template) {
			shortest[shape] = c
		}
	}
	var cases []testCase
	for _, c := range shortest {
		cases = append(cases, c)
	}
	sort.Slice(cases, func(i, j int) bool { return cases[i].Template < cases[j].Template })
	for _, c := range cases {
		if err := write(out, c); err != nil {
			return err
		}
	}
	return nil
}

var (
	digits = regexp.MustCompile(`[0-9]+`)
	words  = regexp.MustCompile(`[A-Za-z]+`)
	quoted = regexp.MustCompile(`"(\\.|[^"\\])*"|<[^>]*>`)
)

// shapeOf is equal for answers that show the same thing.
func shapeOf(c testCase) string {
	if c.Error != nil {
		lines := strings.Split(*c.Error, "\n")
		last := lines[len(lines)-1]
		last = last[strings.LastIndex(last, ">: ")+1:]
		return "error " + words.ReplaceAllStringFunc(digits.ReplaceAllString(quoted.ReplaceAllString(last, "q"), "0"), strings.ToLower)
	}
	text := digits.ReplaceAllString(key(c), "0")
	if len(text) > 12 {
		text = text[:12]
	}
	return "output " + text
}
