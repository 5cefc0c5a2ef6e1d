// Command tables prints the character tables of crates/gotemplate/src/strconv/unicode.rs from those of Go.
package main

import (
	"fmt"
	"strconv"
	"unicode"
)

func table(name, doc string, in func(rune) bool) {
	type rg struct{ a, b rune }
	var rs []rg
	for r := rune(0x80); r <= 0x10FFFF; r++ {
		if !in(r) {
			continue
		}
		if n := len(rs); n > 0 && rs[n-1].b == r-1 {
			rs[n-1].b = r
		} else {
			rs = append(rs, rg{r, r})
		}
	}
	fmt.Printf("/// %s\n#[rustfmt::skip]\nstatic %s: [(u32, u32); %d] = [\n", doc, name, len(rs))
	line := "   "
	for _, r := range rs {
		e := fmt.Sprintf(" (0x%x,0x%x),", r.a, r.b)
		if len(line)+len(e) > 110 {
			fmt.Println(line)
			line = "   "
		}
		line += e
	}
	fmt.Println(line)
	fmt.Print("];\n\n")
}

func main() {
	table("LETTERS", "`unicode.IsLetter` from U+0080.", unicode.IsLetter)
	table("DIGITS", "`unicode.IsDigit` from U+0080.", unicode.IsDigit)
	table("PRINTABLE", "`strconv.IsPrint` from U+0080.", strconv.IsPrint)
}
