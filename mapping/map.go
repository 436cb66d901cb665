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
			return nil, missing(f)
		}
		r.sent[f] = sent
	}
	r.Suspicions = e.suspicions(at)
	return r, nil
}

func missing(f field) *Error {
	return &Error{Reason: MissingField, Field: f.name(), Detail: requiredField, Offset: -1}
}

// evaluation is the state of Map for one event.
type evaluation struct {
	zone  *time.Location        // of times without one
	whole string                // the value, if the texts are parts of it; else ""
	times [maxFields]time.Time // zero if absent
	odd   []Suspicion           // codes that the API does not have
}

// evaluate returns the text that is sent for f, "" if it is absent.
func (e *evaluation) evaluate(f field, m member) (string, *Error) {
	s, refused := m.text(f, e.whole)
	if s == "" {
		return "", refused
	}
	switch table[f].Kind {
	case Code:
		code, known := table[f].codes.find(s)
		if !known {
			e.odd = append(e.odd, table[f].codes.odd)
		}
		return code, nil
	case Time:
		t, problem := timeOf(s, e.zone)
		if problem != "" {
			return "", &Error{Reason: BadTime, Field: f.name(), Detail: problem, Offset: m.at}
		}
		e.times[f] = t
		if len(s) == len("2006-01-02T15:04:05Z") && s[10] == 'T' && s[19] == 'Z' {
			return s, nil // as it is sent
		}
		return t.Format(time.RFC3339), nil
	case Text:
	}
	return s, nil
}

func (e *evaluation) suspicions(at time.Time) (found []Suspicion) {
	enter, leave, operate := e.times[enterTime], e.times[leaveTime], e.times[operateTime]
	if last := at.Add(FutureTolerance); !at.IsZero() && (leave.After(last) || operate.After(last)) {
		found = append(found, Future)
	}
	if !leave.IsZero() && leave.Before(enter) {
		found = append(found, LeaveBeforeEnter)
	}
	return append(found, e.odd...)
}
