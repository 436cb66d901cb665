package platform_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

const (
	appID  = "op88641899bd20661"
	secret = "c2VjcmV0"
	form   = "application/x-www-form-urlencoded; charset=UTF-8"
)

// release is a whole and right set of parameters, changed by the given pairs;
// an empty value leaves the parameter out.
func release(pairs ...string) map[string]string {
	p := map[string]string{
		"app_id": appID, "park_uuid": "49f0cc52-e8c7-41e3-b54d-af666b8cc11a", "flow_no": "FLOW000001",
		"parking_serial": "PS-1", "plate": "粤B12345", "plate_color": "-1", "car_type": "0", "car_desc": "临停/月卡A",
		"enter_time": "2021-09-02T09:36:46Z", "leave_time": "2021-09-02T10:36:46Z", "operator": "张三", "reason": "a&b=c%+\n",
	}
	for i := 0; i < len(pairs); i += 2 {
		p[pairs[i]] = pairs[i+1]
		if pairs[i+1] == "" {
			delete(p, pairs[i])
		}
	}
	return p
}

// signed adds the signature: the published rule, written out once more.
func signed(p map[string]string, secret string) map[string]string {
	var pairs []string
	for name, value := range p {
		if value != "" {
			pairs = append(pairs, name+"="+value)
		}
	}
	slices.Sort(pairs)
	plain := strings.Join(pairs, "&") + "&app_secret=" + secret
	p["sign"] = fmt.Sprintf("%X", md5.Sum([]byte(plain)))
	return p
}

func formBody(p map[string]string) string {
	v := url.Values{}
	for name, value := range p {
		v.Set(name, value)
	}
	return v.Encode()
}

// post sends a body to the double without a network.
func post(t *testing.T, d http.Handler, contentType, body string) (*http.Response, platform.Body) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/gate/1.0/parking/internal/update?key=v", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var b platform.Body
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	return w.Result(), b
}

func newDouble() *platform.Double {
	return platform.New(platform.Config{AppID: appID, Secret: secret})
}

func TestAccepts(t *testing.T) {
	d := newDouble()
	resp, b := post(t, d, form, formBody(signed(release(), secret)))
	if resp.StatusCode != 200 || b.Code != "1001" || b.Message != "OK" || b.Hint != "" || b.Seqno == "" || b.DataNode == "" {
		t.Errorf("status %d, body %+v", resp.StatusCode, b)
	}
	got := d.Requests()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	r := got[0]
	if r.Seq != 1 || r.Params["plate"] != "粤B12345" || r.Params["reason"] != "a&b=c%+\n" || r.Code != "1001" || r.Repeat || r.Seqno != b.Seqno ||
		r.Path != "/gate/1.0/parking/internal/update" || r.Query != "key=v" || r.ContentType != form {
		t.Errorf("record %+v", r)
	}
}

// The vector that the platform publishes.
func TestPublishedSignature(t *testing.T) {
	d := platform.New(platform.Config{AppID: appID, Secret: "XXX"})
	p := map[string]string{
		"app_id": appID, "car_type": "1", "enter_time": "1563242533431", "park_uuid": "40e06b24-7320-4a61-8d97-7ebccb364a87",
		"plate": "粤B660PP", "sign_type": "MD5", "timestamp": "1563242932357",
	}
	for sign, want := range map[string]string{
		"c983693c5f603aef30514920fa3158ff": "400", // signed well; the endpoint's own fields are missing
		"C983693C5F603AEF30514920FA3158FF": "400",
		"9115b25dabacefd30e60b9a1332d78b9": "401", // the bytes were GBK
	} {
		p["sign"] = sign
		if _, b := post(t, d, form, formBody(p)); b.Code != want {
			t.Errorf("sign %s: %+v, want code %s", sign, b, want)
		}
	}
}

func TestRefuses(t *testing.T) {
	tests := map[string]struct {
		contentType string
		body        string
		code, hint  string
	}{
		"signed with another secret": {form, formBody(signed(release("reason", "", "operator", ""), "other")), "401",
			"app_id=op88641899bd20661&car_desc=临停/月卡A&car_type=0&enter_time=2021-09-02T09:36:46Z&flow_no=FLOW000001&leave_time=2021-09-02T10:36:46Z" +
				"&park_uuid=49f0cc52-e8c7-41e3-b54d-af666b8cc11a&parking_serial=PS-1&plate=粤B12345&plate_color=-1&app_secret=***"},
		"not signed":             {form, formBody(release("plate", "B", "operator", "", "reason", "", "car_desc", "")), "401", "plate=B"},
		"charset not stated":     {"application/x-www-form-urlencoded", formBody(signed(release(), secret)), "401", "plate=?B12345"},
		"charset GBK":            {"application/x-www-form-urlencoded; charset=GBK", formBody(signed(release(), secret)), "401", "plate=?B12345"},
		"another application":    {form, formBody(signed(release("app_id", "op1"), secret)), "401", "app_id"},
		"no application":         {form, formBody(signed(release("app_id", ""), secret)), "401", "app_id"},
		"JSON":                   {"application/json", `{}`, "400", "Content-Type"},
		"no content type":        {"", formBody(signed(release(), secret)), "400", "Content-Type"},
		"bad escape":             {form, formBody(signed(release(), secret)) + "&reason=%zz", "400", "reason"},
		"not UTF-8":              {form, strings.Replace(formBody(signed(release(), secret)), "PS-1", "PS-%ff", 1), "400", "parking_serial"},
		"a parameter sent twice": {form, formBody(signed(release(), secret)) + "&plate=B", "400", "plate"},
		"without a lot":          {form, formBody(signed(release("park_uuid", ""), secret)), "400", "park_uuid"},
		"without a flow number":  {form, formBody(signed(release("flow_no", ""), secret)), "400", "flow_no"},
		"without an order key":   {form, formBody(signed(release("parking_serial", ""), secret)), "400", "parking_serial"},
		"without a plate":        {form, formBody(signed(release("plate", ""), secret)), "400", "plate"},
		"blank plate":            {form, formBody(signed(release("plate", " "), secret)), "400", "plate"},
		"colour by name":         {form, formBody(signed(release("plate_color", "blue"), secret)), "400", "plate_color"},
		"unknown car type":       {form, formBody(signed(release("car_type", "-1"), secret)), "400", "car_type"},
		"time with a fraction":   {form, formBody(signed(release("enter_time", "2021-09-02T09:36:46.020Z"), secret)), "400", "enter_time"},
		"time with an offset":    {form, formBody(signed(release("leave_time", "2021-09-02T09:36:46+08:00"), secret)), "400", "leave_time"},
		"time that is not":       {form, formBody(signed(release("operate_time", "2021-02-30T09:36:46Z"), secret)), "400", "operate_time"},
		"unknown parameter":      {form, formBody(signed(release("release_type", "1"), secret)), "400", "release_type"},
		"U+0000":                 {form, formBody(signed(release("reason", "a\x00"), secret)), "400", "reason"},
		"too large":              {form, strings.Repeat("a", 1<<20+1), "400", "body"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDouble()
			resp, b := post(t, d, tt.contentType, tt.body)
			if b.Code != tt.code || fmt.Sprint(resp.StatusCode) != tt.code || !strings.Contains(b.Hint, tt.hint) {
				t.Errorf("status %d, body %+v, want code %s and a hint with %q", resp.StatusCode, b, tt.code, tt.hint)
			}
			if strings.Contains(b.Hint, secret) || b.Path != "POST /gate/1.0/parking/internal/update" {
				t.Errorf("body %+v", b)
			}
			if s := d.Stats(); s.Refused[tt.code] != 1 || s.Accepted != 0 || len(d.Accepted()) != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestRefusesOtherMethods(t *testing.T) {
	w := httptest.NewRecorder()
	newDouble().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "method") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func multipartBody(p map[string]string, partType string) (contentType, body string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, value := range p {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"`}}
		if partType != "" {
			h.Set("Content-Type", partType)
		}
		part, _ := w.CreatePart(h)
		_, _ = io.WriteString(part, value)
	}
	_ = w.Close()
	return w.FormDataContentType(), b.String()
}

func TestMultipart(t *testing.T) {
	for partType, want := range map[string]string{"text/plain; charset=UTF-8": "1001", "text/plain": "401", "": "401", "application/json; charset=UTF-8": "401"} {
		contentType, body := multipartBody(signed(release(), secret), partType)
		if _, b := post(t, newDouble(), contentType, body); b.Code != want {
			t.Errorf("parts %q: %+v, want code %s", partType, b, want)
		}
	}
	contentType, body := multipartBody(signed(release(), secret), "text/plain; charset=UTF-8")
	for what, cut := range map[string]string{"cut off": body[:len(body)-20], "no part": ""} {
		if _, b := post(t, newDouble(), contentType, cut); b.Code == "1001" {
			t.Errorf("%s: %+v", what, b)
		}
	}
}

func TestRepeatedFlowNumberIsIgnored(t *testing.T) {
	d := newDouble()
	one := formBody(signed(release(), secret))
	otherLot := formBody(signed(release("park_uuid", "another"), secret))
	for _, body := range []string{one, otherLot, one} {
		if _, b := post(t, d, form, body); b.Code != "1001" {
			t.Fatalf("%+v", b)
		}
	}
	var repeats []bool
	for _, r := range d.Accepted() {
		repeats = append(repeats, r.Repeat)
	}
	if !slices.Equal(repeats, []bool{false, false, true}) {
		t.Errorf("repeats %v", repeats)
	}
	if s := d.Stats(); s.Received != 3 || s.Accepted != 2 || s.Repeated != 1 || s.InFlight != 0 || s.MaxInFlight != 1 {
		t.Errorf("stats %+v", s)
	}
	flow := platform.Flow{Lot: "49f0cc52-e8c7-41e3-b54d-af666b8cc11a", No: "FLOW000001"}
	if got := d.Tally(flow); got != (platform.Tally{Received: 2, Accepted: 2}) || d.Tallies()[flow] != got {
		t.Errorf("tally %+v", got)
	}
}

func TestSecretIsReplaced(t *testing.T) {
	d := newDouble()
	d.SetSecret("next")
	if _, b := post(t, d, form, formBody(signed(release(), secret))); b.Code != "401" {
		t.Errorf("old secret: %+v", b)
	}
	if _, b := post(t, d, form, formBody(signed(release(), "next"))); b.Code != "1001" {
		t.Errorf("new secret: %+v", b)
	}
}

func TestRemembersWithinItsBounds(t *testing.T) {
	answers := 0
	d := platform.New(platform.Config{AppID: appID, Secret: secret, KeepRequests: 10, KeepFlows: 10, OnAnswer: func(platform.Request) { answers++ }})
	for i := range 100 {
		post(t, d, form, formBody(signed(release("flow_no", fmt.Sprint(i)), secret)))
	}
	got := d.Requests()
	if len(got) < 10 || len(got) > 20 || got[len(got)-1].Params["flow_no"] != "99" {
		t.Errorf("%d requests", len(got))
	}
	if n := len(d.Tallies()); n < 10 || n > 20 {
		t.Errorf("%d flows", n)
	}
	if s := d.Stats(); s.Accepted != 100 || answers != 100 {
		t.Errorf("stats %+v, %d answers", s, answers)
	}
	none := platform.New(platform.Config{Secret: secret, KeepRequests: -1})
	post(t, none, form, formBody(signed(release(), secret)))
	if len(none.Requests()) != 0 || none.Stats().Accepted != 1 {
		t.Errorf("a request was kept: %+v", none.Stats())
	}
}

func TestFaults(t *testing.T) {
	d := newDouble()
	server := httptest.NewServer(d)
	defer server.Close()
	send := func(ctx context.Context) (int, string, http.Header, error) {
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(formBody(signed(release(), secret))))
		r.Header.Set("Content-Type", form)
		resp, err := server.Client().Do(r)
		if err != nil {
			return 0, "", nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header, err
	}
	last := func() platform.Request { all := d.Requests(); return all[len(all)-1] }
	with := func(reply *platform.Reply) {
		d.Script(func(*platform.Request) *platform.Reply { return reply })
	}

	with(&platform.Reply{Status: 503, Body: platform.Body{Code: "503"}.String(), Header: http.Header{"Retry-After": {"7"}}})
	if status, body, header, err := send(t.Context()); err != nil || status != 503 || !strings.Contains(body, `"503"`) || header.Get("Retry-After") != "7" {
		t.Errorf("busy: %d %s %v %v", status, body, header, err)
	}
	if r := last(); r.Code != "503" || !r.Scripted {
		t.Errorf("busy: %+v", r)
	}
	with(&platform.Reply{Cut: true})
	if _, _, _, err := send(t.Context()); err == nil {
		t.Error("cut: answered")
	}
	with(&platform.Reply{Cut: true, Status: 200, Body: `{"code":"10`, Header: http.Header{"Content-Length": {"50"}}})
	if status, body, _, err := send(t.Context()); err == nil || status != 200 || body != `{"code":"10` {
		t.Errorf("cut within the body: %d %q %v", status, body, err)
	}
	if d.Stats().Accepted != 0 {
		t.Errorf("accepted before: %+v", d.Stats())
	}
	with(&platform.Reply{Lose: true})
	if _, _, _, err := send(t.Context()); err == nil {
		t.Error("lost: answered")
	}
	if r := last(); r.Code != "1001" || r.Scripted || r.Repeat || d.Stats().Accepted != 1 {
		t.Errorf("lost: %+v", r)
	}
	hung := make(chan struct{})
	d.Script(func(*platform.Request) *platform.Reply { close(hung); return &platform.Reply{Hang: true} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hung; cancel() }()
	if _, _, _, err := send(ctx); err == nil {
		t.Error("hung: answered")
	}
	d.Script(nil)
	if _, body, _, err := send(t.Context()); err != nil || !strings.Contains(body, `"1001"`) {
		t.Errorf("after the faults: %s %v", body, err)
	}
	if r := last(); r.Attempt != 6 || !r.Repeat {
		t.Errorf("after the faults: %+v", r)
	}
}

func TestDelayPassesBeforeTheRequestIsProcessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDouble()
		d.Script(func(*platform.Request) *platform.Reply { return &platform.Reply{Delay: 20 * time.Millisecond} })
		start := time.Now()
		if _, b := post(t, d, form, formBody(signed(release(), secret))); b.Code != "1001" {
			t.Errorf("%+v", b)
		}
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("took %v", took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(formBody(signed(release("flow_no", "2"), secret))))
		r.Header.Set("Content-Type", form)
		d.ServeHTTP(httptest.NewRecorder(), r)
		if s := d.Stats(); s.Accepted != 1 || s.Unanswered != 1 || s.InFlight != 0 {
			t.Errorf("a client that left: %+v", s)
		}
	})
}

func BenchmarkAccept(b *testing.B) {
	d := platform.New(platform.Config{AppID: appID, Secret: secret, KeepRequests: -1, KeepFlows: 1000})
	body := formBody(signed(release(), secret))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", form)
		d.ServeHTTP(httptest.NewRecorder(), r)
	}
}
