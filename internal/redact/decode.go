package redact

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
)

const (
	maxDepth    = 6        // of nested encodings
	maxReadings = 64 << 10 // bytes
)

// readings returns a text, folded, as it is and decoded in every way, concatenated. ok is false if that is too long.
func readings(text string) (all string, ok bool) {
	var b strings.Builder
	ok = true
	var add func(text string, depth int)
	add = func(text string, depth int) {
		ok = ok && b.Len()+len(text) <= maxReadings
		if !ok || text == "" {
			return
		}
		text = strings.Join(strings.Fields(text), "")
		b.WriteString(fold(text))
		b.WriteByte(0)
		for _, decode := range decoders {
			if decoded := decode(text); depth < maxDepth && decoded != text {
				add(decoded, depth+1)
			}
		}
	}
	add(text, 0)
	return b.String(), ok
}

// decoders undo one encoding each, or return "" if nothing is encoded.
var decoders = [...]func(string) string{unescape, unplus, unbase64, unhex}

// unplus undoes the encoding of a space in forms.
func unplus(text string) string { return strings.ReplaceAll(text, "+", " ") }

func unbase64(text string) string {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	return decodeRuns(text, hexDigits+"GHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz+/", 8, 4, base64.RawStdEncoding.DecodeString)
}

func unhex(text string) string { return decodeRuns(text, hexDigits, 12, 2, hex.DecodeString) }

const hexDigits = "0123456789ABCDEFabcdef"

// decodeRuns decodes runs of at least the given number of digits. It is not
// known where an encoded byte begins: a group has this many possibilities.
func decodeRuns(text, digits string, least, group int, decode func(string) ([]byte, error)) string {
	var b strings.Builder
	for run := range strings.FieldsFuncSeq(text, func(r rune) bool { return !strings.ContainsRune(digits, r) }) {
		for skip := 0; skip < group && len(run) >= least; skip++ {
			decoded, _ := decode(run[skip:]) // everything before an incomplete group
			b.Write(decoded)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// unescape undoes one layer of percent-encoding, HTML entities and JSON escapes.
func unescape(text string) string {
	for _, e := range numbered {
		parts := strings.Split(text, e.start)
		for i, part := range parts[1:] {
			digits, rest := part[:min(e.digits, len(part))], part[min(e.digits, len(part)):]
			if e.digits == 0 {
				digits, rest, _ = strings.Cut(part, ";")
			}
			code, err := strconv.ParseUint(digits, e.base, 16)
			switch {
			case err != nil:
				parts[i+1] = e.start + part
			case e.start == "%": // a byte, which may be a part of a character
				parts[i+1] = string([]byte{byte(code)}) + rest
			default:
				parts[i+1] = string(rune(code)) + rest
			}
		}
		text = strings.Join(parts, "")
	}
	return named.Replace(text)
}

// numbered are the escapes that contain the number of a character. Those
// without a fixed number of digits end in a semicolon.
var numbered = [...]struct {
	start        string
	digits, base int
}{
	{"%", 2, 16}, {`\u`, 4, 16}, {`\U`, 4, 16}, {"&#x", 0, 16}, {"&#X", 0, 16}, {"&#", 0, 10},
}

var named = strings.NewReplacer(
	"&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&AMP;", "&", "&LT;", "<", "&GT;", ">", "&QUOT;", `"`, "&APOS;", "'",
	`\/`, "/", `\"`, `"`, `\\`, `\`, `\b`, " ", `\f`, " ", `\n`, " ", `\r`, " ", `\t`, " ", `\N`, " ", `\R`, " ", `\T`, " ",
)
