package lanes

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
)

var (
	surnames = []rune("王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹")
	given    = []string{"伟", "芳", "娜", "敏", "静", "强", "磊", "军", "洋", "勇", "艳", "杰", "涛", "明", "超", "秀英", "桂兰", "建国", "志强", "晓东", "雪梅", "海燕", "文博", "子涵"}

	// One in ten of these holds signs that mean something in a form or in a
	// string to sign; they must go through as they are.
	reasons = []string{
		"设备异常", "手动抬杆", "网络中断", "道闸故障", "车牌识别错误", "跟车离场", "特殊车辆放行", "消防救援",
		"领导车辆", "系统升级", "停电", "优惠券核销失败", "收费纠纷", "无牌车离场", "岗亭代扣失败 code=E-17&retry=3",
		"折扣 50%+满减", "临时通行\n已登记",
	}
	descriptions = []string{"临停/月卡A", "临停", "月卡A", "月卡B&储值", "VIP 业主", "员工车", "访客", "送货车 <3.5t"}
)

// keyForm is what a lot keys its records with.
type keyForm int

const (
	keyLot     keyForm = iota // all of a lot in one partition
	keyParking                // a parking in one partition
	keyNone                   // null: no order is promised
	keyForms   int     = iota // how many there are
)

// lot is one parking lot, with the habits of the vendor that fitted it out.
// Its fields do not change.
type lot struct {
	number    int
	uuid      string
	province  string
	operators []string
	times     timeForm
	codes     codeForm
	keys      keyForm
	// verbose lots send fields of their own and pad their texts with blanks.
	verbose bool
	// terse lots send the required fields and the reason alone.
	terse bool
	// traced lots send a traceparent header.
	traced bool
}

// newLot makes the lot of that number. The habits go by the number, so that a
// dozen lots already show every form.
func newLot(number int, rng *rand.Rand) *lot {
	l := &lot{
		number:   number,
		uuid:     newUUID(rng),
		province: pick(rng, []rune(provinces)),
		times:    timeForms[number%len(timeForms)],
		codes:    codeForm(number % codeForms),
		// Null keys are seldom: every eighth lot.
		keys:    keyForm(number % (keyForms - 1)),
		verbose: number%5 == 1,
		terse:   number%9 == 8,
		traced:  number%3 != 2,
	}
	if number%8 == 5 {
		l.keys = keyNone
	}
	for range 3 + rng.IntN(3) {
		l.operators = append(l.operators, pick(rng, surnames)+pick(rng, given))
	}
	return l
}

// newUUID returns a random UUID of version 4 (RFC 9562).
func newUUID(rng *rand.Rand) string {
	b := randomBytes(rng, 16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// newTraceparent returns a sampled traceparent of version 00 (W3C Trace Context).
func newTraceparent(rng *rand.Rand) string {
	return "00-" + hex.EncodeToString(randomBytes(rng, 16)) + "-" + hex.EncodeToString(randomBytes(rng, 8)) + "-01"
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	b[0] |= 1 // an all-zero trace ID would be invalid
	return b
}
