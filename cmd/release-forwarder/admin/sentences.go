package admin

// sentences is the table of conditions. The first words are the cause, so that half a
// line is enough for a reader woken at night. A sentence that could raise the question
// says whether anything is lost.
var sentences = []sentence{
	{kind: Well, level: LevelOK, says: phrase{"All is well.", "一切正常。"}},
	{kind: Standby, level: LevelOK, says: phrase{
		"All is well: a standby without a partition.",
		"一切正常：本副本为备用，没有分区。"}},
	{kind: Unassigned, level: LevelWaiting, runbook: "not-reading", says: phrase{
		"This replica has no partition, and the group has not shown that each has an owner.",
		"本副本没有分区，且尚未从消费组得知每个分区都有所属副本。"},
		remedy: phrase{
			"Normal for a minute. If it stays: release-forwarder doctor says what this user may see of the group.",
			"一分钟内属正常。若持续：运行 release-forwarder doctor，查看本用户可见的消费组信息。"}},
	{kind: PartitionsUnowned, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"No one reads {count} {partition|partitions} since {since} ({name}): no member of the group has {it|them}. Nothing is lost while the topic keeps the records.",
		"自 {since} 起有 {count} 个分区无人读取（{name}）：消费组中没有成员持有。主题保留期内消息不会丢失。"},
		remedy: phrase{
			"See by release-forwarder doctor who is in the group: a replica that crashes over and over, another program, a member that subscribes to other topics, or one that assigns wrongly. Give it a group of its own, or stop it.",
			"运行 release-forwarder doctor 查看消费组成员：是否有反复崩溃的副本、其他程序、订阅其他主题的成员，或分配有误的成员。为其另设消费组，或将其停止。"}},
	{kind: Starting, level: LevelWaiting, says: phrase{
		"Starting: has not joined the group yet; waits for Kafka, the event topic or the group.",
		"正在启动：尚未加入消费组，在等待 Kafka、事件主题或消费组。"}},
	{kind: Stopping, level: LevelWaiting, says: phrase{
		"Stopping: open requests are being finished.",
		"正在停止：等待未完成的请求结束。"}},
	{kind: Stuck, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"Stuck: {name}. Nothing is lost.",
		"卡住：{name}。消息未丢失。"},
		remedy: phrase{
			"A defect of this program: keep the log, report it, and restart this replica where Kubernetes does not.",
			"本程序的缺陷：保留日志并上报；若 Kubernetes 没有重启本副本，请手动重启。"}},
	{kind: ReadingPaused, level: LevelWaiting, runbook: "reading-paused", says: phrase{
		"Reading is paused where a partition's unfinished records reach a bound; nothing is lost.",
		"某分区未完成的消息达到上限，暂停读取；消息未丢失。"},
		remedy: phrase{
			"Normal for moments. If it stays: see which records are held, and fix what they wait for.",
			"短暂出现属正常。若持续：查看挂起的消息，处理其等待的原因。"}},
	{kind: NotJoined, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"Nothing is read: has not joined the group for {for}; it waits for Kafka, the event topic or the group. Nothing is lost while the topic keeps the records.",
		"没有读取：已 {for} 未加入消费组，在等待 Kafka、事件主题或消费组。主题保留期内不会丢失。"},
		remedy: phrase{
			"Read the last warnings in the log: they name the broker, the topic or the right that is missing.",
			"查看日志最后的警告：其中写明缺少的 broker、主题或权限。"}},
	{kind: Rebalancing, level: LevelWaiting, runbook: "rebalances", says: phrase{
		"Rebalancing: the group has been reassigning its partitions for {for}; this replica reads nothing meanwhile. Nothing is lost.",
		"正在再均衡：消费组重新分配分区已 {for}，其间本副本不读取。消息未丢失。"},
		remedy: phrase{
			"Normal for moments. If it stays: see which replicas are slow to give up their partitions, or come and go.",
			"短暂出现属正常。若持续：查看哪些副本迟迟不交出分区，或反复上下线。"}},
	{kind: OutsideGroup, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"This replica cannot join the group, for {for}: it reads nothing, or for a while what it still owns. Cause: {name}. Nothing is lost while the topic keeps the records.",
		"本副本已 {for} 无法加入消费组：没有读取，或暂时只读取仍归它的分区。原因：{name}。主题保留期内不会丢失。"},
		remedy: phrase{
			"{advice}. The log line join-failed says the same.",
			"{advice}（英文，与日志 join-failed 的 remedy 相同）。"}},
	{kind: CoordinatorSilent, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"Kafka is silent: the group's coordinator has not answered for {for}. Nothing is lost.",
		"Kafka 无响应：消费组协调者已 {for} 没有应答。消息未丢失。"},
		remedy: phrase{
			"Look at the brokers and at the network to them. A restart of this service does not help.",
			"检查 broker 及到 broker 的网络。重启本服务无济于事。"}},
	{kind: LoginFails, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"Kafka cannot be logged in to since {since}: {name}. Connections that are open go on until their sessions end. Nothing is lost while the topic keeps the records.",
		"自 {since} 起无法登录 Kafka：{name}。已建立的连接可用至其会话到期。主题保留期内消息不会丢失。"},
		remedy: phrase{
			"Tried again by itself; no restart is needed. Look: {advice}.",
			"会自动重试，无需重启。排查（英文）：{advice}。"}},
	{kind: NoDeadLetterTopic, level: LevelTrouble, runbook: "dead-letters-blocked", says: phrase{
		"The dead-letter topic {name} is not there; events flow, but a dead letter would stop its partition's commit. Nothing is lost.",
		"死信主题 {name} 不存在；事件仍在转发，但一旦出现死信，其分区将停止提交。消息未丢失。"},
		remedy: phrase{
			"Create the topic, or grant this user Describe and Write on it.",
			"创建该主题，或授予本用户 Describe 和 Write 权限。"}},
	{kind: DeadLettersRefused, level: LevelTrouble, runbook: "dead-letters-blocked", says: phrase{
		"The dead-letter topic has refused all dead letters since {since}; {count} {waits and holds its partition's commits|wait and hold their partitions' commits}. Nothing is lost.",
		"死信主题自 {since} 起拒绝所有死信；{count} 条死信在等待，其分区停止提交。消息未丢失。"},
		remedy: phrase{
			"Read `error` in the log line about the dead letter: topic missing, no right to write, in-sync replicas, or disk. It is retried indefinitely.",
			"查看日志中该死信一行的 error：主题缺失、无写权限、同步副本不足或磁盘。会一直重试。"}},
	{kind: DeadLettersBlocked, level: LevelTrouble, runbook: "dead-letters-blocked", says: phrase{
		"{count} {dead letter cannot be written; its partition's commits wait|dead letters cannot be written; their partitions' commits wait}. Nothing is lost.",
		"{count} 条死信无法写入；其分区停止提交。消息未丢失。"},
		remedy: phrase{
			"Read `error` in the log line about the dead letter; a dead letter that is too large wants a higher max.message.bytes.",
			"查看日志中该死信一行的 error；死信过大时需提高主题的 max.message.bytes。"}},
	{kind: ReceiptsLate, level: LevelTrouble, runbook: "receipts-missing", says: phrase{
		"Receipts cannot be written since {since}. Events are sent as before. With RECEIPTS_REQUIRED=true the commits wait for the receipts, else these are missing.",
		"自 {since} 起无法写入回执。事件照常发送。RECEIPTS_REQUIRED=true 时提交等待回执，否则这些回执缺失。"},
		remedy: phrase{
			"Read `error` in the log line receipts-late: topic missing, no right to write, in-sync replicas, or disk. Delivery does not need the receipts.",
			"查看日志 receipts-late 一行的 error：主题缺失、无写权限、同步副本不足或磁盘。投递不依赖回执。"}},
	{kind: PartitionParked, level: LevelTrouble, runbook: "records-dropped", says: phrase{
		"{count} {partition waits|partitions wait} for a person: Kafka dropped records that were not read, and KAFKA_OFFSET_RESET is none.",
		"{count} 个分区在等待人工处理：Kafka 丢弃了尚未读取的消息，且 KAFKA_OFFSET_RESET 为 none。"},
		remedy: phrase{
			"Decide what becomes of the gap, stop all replicas, set the group's offset of the partition, start them.",
			"决定如何处理缺口，停止所有副本，设置该分区的位点，再启动。"}},
	{kind: PartitionUnreadable, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"{count} {partition cannot be read or waits for its offsets|partitions cannot be read or wait for their offsets} ({name}); the others go on. Nothing is lost.",
		"{count} 个分区无法读取或在等待位点（{name}）；其余照常。消息未丢失。"},
		remedy: phrase{
			"The table below says why for each partition, and so do its last warnings in the log: a missing right, or a broker in trouble.",
			"下方表格及日志中该分区最后的警告写明各分区的原因：缺少权限，或 broker 有故障。"}},
	{kind: PartitionCommitRefused, level: LevelTrouble, runbook: "commits-fail", says: phrase{
		"Kafka has refused the commits of {count} {partition|partitions} ({name}) since {since} and takes the others; its events are still sent, a restart would repeat what was done since. Nothing is lost.",
		"Kafka 自 {since} 起拒绝 {count} 个分区（{name}）的提交，其余照常；其事件仍在发送，重启会重发其后的部分。消息未丢失。"},
		remedy: phrase{
			"Read `cause` in the last log line request-refused: a right on that topic that is missing, or the topic is being deleted.",
			"查看日志最后一条 request-refused 的 cause：缺少该主题的权限，或该主题正在删除。"}},
	{kind: OpenTransaction, level: LevelTrouble, runbook: "open-transaction", says: phrase{
		"An open transaction holds back {count} {record|records} since {since} in {name}: Kafka shows nothing behind its first record until it ends. Nothing is lost while the topic keeps the records.",
		"未结束的事务自 {since} 起挡住 {count} 条消息（{name}）：事务结束之前，Kafka 不给出其首条消息之后的任何消息。主题保留期内消息不会丢失。"},
		remedy: phrase{
			"Have the producer (its ID is below, where the broker reports it) commit or abort. A transaction that no one will end: kafka-transactions.sh abort.",
			"让生产者（broker 提供时，下方有其 producer ID）提交或中止事务。已无人结束的事务：kafka-transactions.sh abort。"}},
	{kind: TopicsMissing, level: LevelTrouble, runbook: "not-reading", says: phrase{
		"{count} {topic is|topics are} not read ({name}): not there, or this user may not describe {it|them}; the others flow. Nothing is lost while Kafka keeps the records.",
		"有 {count} 个主题没有读取（{name}）：主题不存在，或本用户无权查看；其余照常。Kafka 保留期内消息不会丢失。"},
		remedy: phrase{
			"Create {it|them}, or grant this user Describe and Read; or correct the name in KAFKA_TOPIC or KAFKA_REPLAY_TOPIC. No restart is needed once it is there.",
			"创建主题，或授予本用户 Describe 和 Read 权限；或更正 KAFKA_TOPIC、KAFKA_REPLAY_TOPIC 中的名称。主题就绪后无需重启。"}},
	{kind: CommitsFail, level: LevelTrouble, runbook: "commits-fail", says: phrase{
		"Kafka has taken no commit since {since}; events are still sent, a restart would repeat what was done since. Nothing is lost.",
		"Kafka 自 {since} 起不接受提交；事件仍在发送，重启会重发其后的部分。消息未丢失。"},
		remedy: phrase{
			"Read `error` in the last log line request-refused: a right on the group or topic that is missing, or the coordinator's disk.",
			"查看日志最后一条 request-refused 的 error：缺少消费组或主题权限，或协调者磁盘问题。"}},
	{kind: CircuitOpen, level: LevelTrouble, runbook: "platform-refuses-everything", says: phrase{
		"The platform accepts nothing since {since}; it is tried once a second. Nothing is lost or dead-lettered.",
		"平台自 {since} 起不接受任何请求；每秒尝试一次。消息未丢失，也未进入死信。"},
		remedy: phrase{
			"See the last failure below: refused means secret or app ID; unreachable or timeout the network or the platform; failed or unreadable: ask the platform, with seqno.",
			"查看下方最近一次失败：refused 为密钥或 app_id；unreachable、timeout 为网络或平台；failed、unreadable 请带 seqno 询问平台。"}},
	{kind: LotsRefused, level: LevelTrouble, runbook: "lot-refused", says: phrase{
		"The platform refuses {count} {lot|lots} while it accepts others, the first {name} since {since}; their records wait, the others flow. Nothing is lost.",
		"平台单独拒绝 {count} 个车场，最早为 {name}（自 {since} 起）；其消息挂起，其余照常。消息未丢失。"},
		remedy: phrase{
			"Fix the lot's secret, app_id or contract with the platform before LOT_HOLD_MAX is over; then its records become dead letters and must be replayed. Where a partition moves to another replica the wait begins again.",
			"在 LOT_HOLD_MAX 之前与平台解决该车场的密钥、app_id 或签约状态；超时后其消息进入死信，需重放。分区移到其他副本后，等待从头计算。"}},
	{kind: LotsUnlisted, level: LevelTrouble, runbook: "lot-refused", says: phrase{
		"A lookup file lacks the {code|codes} of {count} {lot|lots}, the first {name} since {since}; {of} of their records wait, the others flow. Nothing is lost.",
		"对照表缺少 {count} 个车场的代码，最早为 {name}（自 {since} 起）；其 {of} 条消息挂起，其余照常。消息未丢失。"},
		remedy: phrase{
			"Add the code and the lot's UUID to the lookup file before LOT_HOLD_MAX is over; then its records become dead letters and must be replayed. The file is reloaded without a restart.",
			"在 LOT_HOLD_MAX 之前把代码和车场 UUID 加入对照表；超时后其消息进入死信，需重放。对照表无需重启即可重新加载。"}},
	{kind: Storm, level: LevelTrouble, runbook: "dead-letter-storm", says: phrase{
		"Dead letters in a row with nothing accepted between ({count} {storm|storms}): they are written at one a second until something is accepted. Nothing is lost: each dead letter holds its record.",
		"连续产生死信，期间没有一条被平台接受（{count} 处风暴）：每秒只写一条，直到有消息被接受。消息未丢失：死信保存完整消息。"},
		remedy: phrase{
			"See the reasons below: a producer, the mapping or the platform has changed. Stop the replicas to keep the records in the topic.",
			"查看下方死信原因：车道系统、映射或平台有变化。停止副本可让消息留在主题中。"}},
	{kind: ManyDeadLetters, level: LevelTrouble, runbook: "dead-letters-grow", says: phrase{
		"{count} of {of} events of the last hour became dead letters, the first of them at {since}: more than one in ten. Nothing is lost: each dead letter holds its record.",
		"最近一小时处理的 {of} 条消息中有 {count} 条成为死信，首条出现于 {since}：超过十分之一。消息未丢失：死信保存完整消息。"},
		remedy: phrase{
			"See the reasons below and, by release-forwarder dlq list --since 1h, the lots. Have the lane's vendor fix the events, then replay the dead letters.",
			"查看下方死信原因，并用 release-forwarder dlq list --since 1h 查看所属车场。请车道系统厂商修正事件，然后重放死信。"}},
	{kind: RecordsDropped, level: LevelTrouble, runbook: "records-dropped", says: phrase{
		"Kafka dropped {count} {record before it|records before they} could be read, last noticed at {since}: a loss that Kafka caused.",
		"Kafka 在读取之前丢弃了 {count} 条消息，最近一次发现于 {since}：由 Kafka 造成的丢失。"},
		remedy: phrase{
			"The log line has topic, partition, from, to and count: have the producer send them again.",
			"日志中有 topic、partition、from、to、count：请车道系统厂商重新发送。"}},
}
