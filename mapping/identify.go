package mapping

// Identify reads the order key of a record, in the built-in contract its lot (park_uuid) and serial
// (parking_serial), as [Mapper.Map] would send them. It also works if the event cannot be
// mapped for another reason: a missing plate, a bad time, bad text in another field,
// another duplicate key.
//
// The lot is the vendor's code if its lookup file does not have it.
//
// Each is "" if it is not certain: the value is not one JSON object, no profile fits or the one
// that fits ignores the record, the key is absent or occurs twice, or Map would refuse its value
// (wrong type, blank, bad text, too long). So neither is longer than [MaxTextLength] code points.
func (m *Mapper) Identify(rec *Record) (lot, serial string) {
	lot, serial, _ = m.identify(rec, m.lookups, false)
	return lot, serial
}

// Repeat reads what the platform knows a repeated event by: the lot and the endpoint's field for that, in the built-in
// contract flow_no. Each is as [Mapper.Identify] reads the order key, and "" under the same conditions.
func (m *Mapper) Repeat(rec *Record) (lot, repeat string) {
	lot, repeat, _ = m.identify(rec, m.lookups, true)
	return lot, repeat
}

// identify reads the lot, and what is known beside it: the repeat key, or the parking.
func (m *Mapper) identify(rec *Record, lookups map[string]Lookup, repeats bool) (lot, other string, unlisted *Unlisted) {
	e := evaluations.Get().(*evaluation)
	defer e.free()
	e.m, e.lookups, e.orderAlone = m, lookups, !repeats
	p, refused := e.choose(rec)
	if refused != nil {
		return "", "", nil
	}
	rules := p.order // none of a profile that ignores
	if repeats {
		rules = p.repeat
	}
	for _, r := range rules {
		text, _ := e.evaluate(r, rec) // "" if it is refused
		if r.field.Name == m.file.Endpoint.Order[0] {
			lot = text
		} else {
			other = text
		}
	}
	return lot, other, e.unlisted
}

// OrderKey names the parking whose events must be sent in order: one parking_serial of one lot. It is "" where
// either is not certain (see [Mapper.Identify]): such an event keeps no order. A lot that is looked up is known
// by the file's name and the vendor's code, whatever the file says of it: a newer file changes no key.
func (m *Mapper) OrderKey(rec *Record) string {
	lot, serial, unlisted := m.identify(rec, nil, false)
	if lot == "" || serial == "" {
		return ""
	}
	if unlisted != nil {
		lot = unlisted.Lot()
	}
	return lot + "\x00" + serial
}
