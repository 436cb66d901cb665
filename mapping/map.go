package mapping

import "time"

// FutureTolerance is how far leave_time and operate_time may be after the record's time;
// beyond that the event is suspicious.
const FutureTolerance = 10 * time.Minute

// sharedText is the largest value that is copied to one string, of which the texts are parts.
// That is one allocation, and it keeps the whole value in memory as long as the Release.
const sharedText = 4 << 10

// Map maps the value of a record. at is the time of the record, used only for the
// suspicion [Future]; zero means unknown. The error is always an *[Error]. The Release
// shares no memory with value.
func (m *Mapper) Map(value []byte, at time.Time) (*Release, error) {
	var doc document
	if refused := doc.parse(value); refused != nil {
		return nil, refused
	}
	r := new(Release)
	parameters := r.parameters()
	e := evaluation{zone: m.location}
	if len(value) <= sharedText {
		e.whole = string(value)
	}
	for f := range fieldCount {
		sent, refused := e.evaluate(f, doc.members[f])
		if refused != nil {
			return nil, refused
		}
		if sent == "" && m.required[f] {
			return nil, &Error{Reason: MissingField, Field: f.name(), Detail: "required, but absent, null or blank", Offset: -1}
		}
		*parameters[f] = sent
	}
	r.Suspicions = e.suspicions(at)
	return r, nil
}

// evaluation is the state of Map for one event.
type evaluation struct {
	zone                  *time.Location // of times without one
	whole                 string         // the value, if the texts are parts of it; else ""
	enter, leave, operate time.Time      // zero if absent
	oddColor, oddCarType  bool           // the API has no such code
}

// evaluate returns the text that is sent for f, "" if it is absent.
func (e *evaluation) evaluate(f field, m member) (string, *Error) {
	s, refused := m.text(f, e.whole)
	if s == "" {
		return "", refused
	}
	var t *time.Time
	switch f {
	case plateColor:
		code, known := codeOf(plateColors, s, unknownPlateColor)
		e.oddColor = !known
		return code, nil
	case carType:
		code, known := codeOf(carTypes, s, unknownCarType)
		e.oddCarType = !known
		return code, nil
	case enterTime:
		t = &e.enter
	case leaveTime:
		t = &e.leave
	case operateTime:
		t = &e.operate
	default:
		return s, nil
	}
	var problem string
	if *t, problem = timeOf(s, e.zone); problem != "" {
		return "", &Error{Reason: BadTime, Field: f.name(), Detail: problem, Offset: m.at}
	}
	if len(s) == len("2006-01-02T15:04:05Z") && s[10] == 'T' && s[19] == 'Z' {
		return s, nil // already in the form that is sent
	}
	return t.Format(time.RFC3339), nil
}

func (e *evaluation) suspicions(at time.Time) (found []Suspicion) {
	if last := at.Add(FutureTolerance); !at.IsZero() && (e.leave.After(last) || e.operate.After(last)) {
		found = append(found, Future)
	}
	if !e.leave.IsZero() && e.leave.Before(e.enter) {
		found = append(found, LeaveBeforeEnter)
	}
	if e.oddColor {
		found = append(found, UnknownPlateColor)
	}
	if e.oddCarType {
		found = append(found, UnknownCarType)
	}
	return found
}
