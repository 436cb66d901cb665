package mapping

// Identify reads the order key of a record, its lot (park_uuid) and serial
// (parking_serial), as [Mapper.Map] would send them. It also works if the event cannot be
// mapped for another reason: a missing plate, a bad time, bad text in another field,
// another duplicate key.
//
// Each is "" if it is not certain: the value is not one JSON object, the key is absent or
// occurs twice, or Map would refuse its value (wrong type, blank, bad text, too long). So
// neither is longer than [MaxTextLength] code points. Identify never panics, and needs no
// configuration.
func Identify(value []byte) (lot, serial string) {
	var doc document
	if err := doc.read(value, false); err != nil {
		return "", ""
	}
	return doc.certain(parkUUID), doc.certain(parkingSerial)
}

// OrderKey names the parking whose events must be sent in order: one parking_serial of one lot. It is "" where
// either is not certain (see [Identify]): such an event keeps no order.
func OrderKey(value []byte) string {
	lot, serial := Identify(value)
	if lot == "" || serial == "" {
		return ""
	}
	return lot + "\x00" + serial
}

// certain returns the text of a field as it would be sent, or "" if it is not certain.
func (doc *document) certain(f field) string {
	if doc.twice[f] {
		return ""
	}
	sent, _ := doc.members[f].text(f, "") // "" if refused
	return sent
}
