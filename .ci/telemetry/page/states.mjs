// The states in which the page is looked at: what the sandbox is told, when the state is reached, what must be read there.
const held = (status) => status.held.length > 0;

export const states = {
  calm: {
    args: ["--faults", "", "--spoilt", "0.03"],
    condition: "well",
    reached: (s) => s.dead_letters.length > 2 && s.partitions.length === 6,
    says: { en: /^✓ All is well\.$/, zh: /^✓ 一切正常。$/ },
    level: "ok",
    letters: true,
  },
  outage: {
    args: ["--faults", "outage@2s+1h"],
    condition: "circuit-open",
    reached: (s) => held(s) && s.platform.last_refusal?.verdict === "unreachable",
    says: { en: /^✗ The platform accepts nothing since .* Nothing is lost/, zh: /^✗ 平台自 .* 起不接受任何请求；.*消息未丢失/ },
    level: "trouble",
    remedy: true,
    held: /^unreachable$/,
    refusal: /^unreachable: .*, at .*, trace [0-9a-f]{32}$/,
    circuit: /^open since /,
  },
  storm: {
    args: ["--faults", "reject*100000@2s", "--set", "DLQ_STORM_LIMIT=10"],
    condition: "storm",
    reached: (s) => s.dead_letters.some((l) => l.reason === "refused"),
    says: { en: /^✗ Dead letters in a row with nothing accepted between/, zh: /^✗ 连续产生死信，期间没有一条被平台接受/ },
    level: "trouble",
    remedy: true,
    letters: true,
    held: /^storm$/,
    refusal: /^permanent, code 400, seqno [0-9a-f]+, at .*, trace [0-9a-f]{32}$/,
  },
  "lot refused": {
    args: ["--faults", "forbid@1s+1h", "--lots", "8"],
    condition: "lots-refused",
    reached: held,
    says: { en: /^✗ The platform refuses 1 lot while it accepts others, the first [0-9a-f-]{36} since /, zh: /^✗ 平台单独拒绝 1 个车场/ },
    level: "trouble",
    remedy: true,
    held: /^refused$/,
    refusal: /^refused, code 403, seqno [0-9a-f]+, at .*, trace [0-9a-f]{32}$/,
    lots: 1,
  },
};
