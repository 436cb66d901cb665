package lanes

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// parking is one parking, from the gate in to the gate out.
type parking struct {
	lot     *lot
	serial  string
	plate   string
	colour  code
	carType code
	carDesc string
	entered time.Time
	// left counts the events still to come, 1 to 3.
	left int
}

// newParking opens a parking that began between a minute and eight hours ago.
func newParking(l *lot, number int, now time.Time, rng *rand.Rand) *parking {
	s := &parking{
		lot:     l,
		serial:  fmt.Sprintf("P%02d-%s-%06d", l.number, now.In(china).Format("0102150405"), number),
		carType: []code{temporary, temporary, temporary, monthly, monthly, vip, stored, other}[rng.IntN(8)],
		carDesc: pick(rng, descriptions),
		entered: now.Add(-time.Minute - time.Duration(rng.Int64N(int64(8*time.Hour)))),
		left:    1,
	}
	s.plate, s.colour = newPlate(rng, l.province)
	if n := rng.IntN(10); n < 3 {
		s.left = 2 + n%2
	}
	return s
}

// next makes the parking's next event as the lane writes it, and what the
// platform must receive for it.
func (s *parking) next(flow string, now time.Time, rng *rand.Rand) (object, map[string]string) {
	l := s.lot
	operator, reason := pick(rng, l.operators), pick(rng, reasons)
	var o object
	want := make(map[string]string, 12)
	text := func(name, value string) {
		want[name] = value
		if l.verbose && rng.IntN(3) == 0 {
			value = "\u3000" + value + " " // an ideographic space, as Chinese keyboards type it
		}
		o.add(name, quote(value))
	}
	instant := func(name string, t time.Time) {
		want[name] = sent(t)
		o.add(name, l.times.write(t))
	}

	text("park_uuid", l.uuid)
	text("flow_no", flow)
	text("parking_serial", s.serial)
	text("plate", s.plate)
	if !l.terse {
		want["plate_color"], want["car_type"] = s.colour.sent(), s.carType.sent()
		o.add("plate_color", l.codes.write(s.colour, rng))
		o.add("car_type", l.codes.write(s.carType, rng))
		text("car_desc", s.carDesc)
		instant("enter_time", s.entered)
		if s.left == 1 {
			instant("leave_time", now.Add(-time.Duration(rng.IntN(20_000))*time.Millisecond))
		}
		instant("operate_time", now)
		text("operator", operator)
	}
	text("reason", reason)
	if l.verbose {
		o.add("lane_no", fmt.Sprint(1+rng.IntN(6)))
		o.add("device", `{"sn":"`+signs(rng, plateSigns, 12)+`","fw":[2,14,1]}`)
		o.add("leave_photo", "null")
	}
	s.left--
	return o, want
}
