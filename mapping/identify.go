package mapping

// Identify reads the order key of a record, its lot (park_uuid) and serial
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
	if err := doc.read(value, false); err != nil {
		return "", ""
	}
	return doc.certain(parkUUID), doc.certain(parkingSerial)
}

// certain returns the text of a field as it would be sent, "" where that cannot be known.
func (doc *document) certain(f field) string {
	if doc.twice[f] {
		return ""
	}
	sent, _ := doc.members[f].text(f, "") // what is refused is ""
	return sent
}
