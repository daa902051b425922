package statuspage

// Print returns format with values in place of each %s.
func Print(format string, values ...any) string {
	var p printer
	p.print(literal(format), values...)
	return p.out.String()
}
