package mapping

// Identify reads the order key of a record, in the built-in contract its lot (park_uuid) and serial
// (parking_serial), as [Mapper.Map] would send them. It also works if the event cannot be
// mapped for another reason: a missing plate, a bad time, bad text in another field,
// another duplicate key.
//
// Each is "" if it is not certain: the value is not one JSON object, no profile fits or the one
// that fits ignores the record, the key is absent or occurs twice, or Map would refuse its value
// (wrong type, blank, bad text, too long). So neither is longer than [MaxTextLength] code points.
// Identify never panics.
func (m *Mapper) Identify(rec *Record) (lot, serial string) {
	e := evaluations.Get().(*evaluation)
	defer e.free()
	e.doc.order = true
	p, refused := e.choose(m.file, rec)
	if refused != nil {
		return "", ""
	}
	for _, r := range p.order { // none of a profile that ignores
		text, refused := e.evaluate(r, rec)
		if refused != nil {
			continue
		}
		if r.field.Name == m.file.endpoint.Order[0] {
			lot = text
		} else {
			serial = text
		}
	}
	return lot, serial
}

// OrderKey names the parking whose events must be sent in order: one parking_serial of one lot. It is "" where
// either is not certain (see [Mapper.Identify]): such an event keeps no order.
func (m *Mapper) OrderKey(rec *Record) string {
	lot, serial := m.Identify(rec)
	if lot == "" || serial == "" {
		return ""
	}
	return lot + "\x00" + serial
}
