package telemetry

// Sanitize returns s where it is 1 to 64 of A–Z a–z 0–9 . _ - and "?" otherwise:
// the rule for values from outside (lot, code, seqno) before they may appear in
// a log line, a span or a page. It also keeps invalid UTF-8 out of attributes,
// where one such byte costs an exporter's whole batch.
func Sanitize(s string) string {
	if len(s) < 1 || len(s) > 64 {
		return "?"
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return "?"
		}
	}
	return s
}
