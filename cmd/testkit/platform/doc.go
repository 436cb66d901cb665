// Package platform is a double of the parking platform's endpoint for abnormal
// releases: an [http.Handler] that answers as docs/platform-api.md says and trusts
// no request.
//
// It is an observer as well as a stand-in, so it shares no code with the
// forwarder: it decodes the body, checks the signature and checks each field
// by an implementation of its own, and it keeps a record of every request in
// the order of arrival. What a run really delivered is read from it, never from
// the forwarder.
//
// # What it answers
//
// A request that is right is answered {"code":"1001","message":"OK",…}. A flow
// number that this lot has used before is ignored, and answered 1001 all the
// same. A wrong signature is answered 401, with the string that the double
// signed as the hint, secret redacted; a wrong parameter 400, with a hint that
// names it. The HTTP status is the body's code where that is an error's, 200
// otherwise. The path is free, as the endpoint is a setting.
//
// It is stricter than the platform where that catches defects: parameters that
// the endpoint does not document are refused, and so are parameters sent twice
// and times with a fraction. It reproduces what the platform does to text whose
// charset is not stated: what is not ASCII becomes "?" before the signature is
// checked, so that it cannot match.
//
// # Faults
//
// [Double.Script] answers instead of the normal path: any status and body, a
// delay, silence, a cut connection, or a request that is processed and whose
// answer is lost.
//
// Left to others: listening, TLS, and what is done with the records.
package platform
