package mapping

// Identify reads the session of a record, its lot (park_uuid) and serial
// (parking_serial), as [Mapper.Map] would send them, also where the event cannot be
// mapped for a reason that lies elsewhere: a missing plate, a bad time, bad text in
// another field, another key that comes twice.
//
// Each is "" where it is not certain: the value is not wholly one JSON object, the
// key is absent or comes twice, or Map would refuse what it holds (a wrong type, blank,
// bad text, too long). So neither is ever longer than [MaxTextLength] code points.
// It never panics, and needs no configuration.
func Identify(value []byte) (lot, serial string) {
	var doc document
	doc.read(value)
	if doc.fault != nil {
		return "", ""
	}
	var room [128]byte
	out := doc.appendCertain(room[:0], parkUUID)
	lotEnd := len(out)
	both := string(doc.appendCertain(out, parkingSerial))
	return both[:lotEnd], both[lotEnd:]
}

// appendCertain appends the text of a field as it would be sent, nothing where that
// cannot be known.
func (d *document) appendCertain(dst []byte, f field) []byte {
	l := d.members[f]
	if d.twice[f] || l.kind != text || !soundText(d.data, l) {
		return dst
	}
	result, _, _ := appendTrimmed(dst, d.data, l) // what is refused is not appended
	return result
}
