// Package membership keeps a process in a consumer group. It knows which partitions the process owns and from
// when to when, under which identity its commits are sent, and what the coordinator's answers mean for that.
// It tells an [Owner]: assigned, revoked (give up in order), lost (cut at once), fenced (all will be lost). It
// does not know records or partitions' logs. [Describe] asks the coordinator what a group is and who owns
// what.
//
// In both protocols a partition that stays with a member is not interrupted, and has one owner at a time.
//
// # Lease
//
// Heartbeats go on through joins and drains. Each answered heartbeat, and in the classic protocol each
// accepted commit, renews the lease: the time of sending + the session time-out. During a rebalance the lease
// ends no later than the last heartbeat before it + the rebalance time-out: the coordinator then forgets a
// member that has not joined. After the lease another member may own the partitions.
//
// # Classic, cooperative (KIP-429)
//
// A member joins with what it owns. The group's leader leaves each partition with its owner, or for one round
// with no one: the owner that must give it up drains it, commits, and joins again without it, and keeps the
// rest. Then the new owner gets it.
//
//	state     | entered by                                | left by
//	----------+-------------------------------------------+--------------------------------------------
//	outside   | the start; the coordinator no longer      | JoinGroup is answered -> joined
//	          | knows the member                          |
//	joined    | JoinGroup is answered: a new generation   | SyncGroup is answered -> stable; refused ->
//	          |                                           | joining
//	stable    | SyncGroup is answered: new partitions are | a rebalance begins, partitions were given
//	          | owned, missing ones are given up          | up, the subscription or the leader's
//	          |                                           | metadata has changed -> joining
//	joining   | a JoinGroup is under way                  | as outside. What is owned stays owned
//
// Only JoinGroup's answer says which protocol a generation has. "range" and "roundrobin" are offered for
// members that cannot be cooperative, such as earlier versions of this service. They are eager: what a member
// owns may be given to another as soon as it joins.
//
//	from        | to          | what is owned before the join
//	------------+-------------+---------------------------------------------------------------
//	cooperative | cooperative | stays
//	cooperative | eager       | a leader of this service leaves out what others still own, and says so: its
//	            |             | owner gives it up as above. With another leader, what was not assigned again is
//	            |             | lost: it may have an owner already
//	eager       | any         | is given up before JoinGroup is sent
//
// What an answer to a heartbeat or a commit means:
//
//	none, or another error       | it is sent again. If a heartbeat has no answer, or one of a broker that is not the
//	                             | coordinator, a waiting join ends and the member joins again: the host may have died silently
//	0                            | the coordinator knows this member: the lease is renewed
//	27 REBALANCE_IN_PROGRESS     | the same, up to the rebalance time-out; of a heartbeat: the member joins again
//	30 GROUP_AUTHORIZATION_FAILED| of a heartbeat: the member joins again; the coordinator may take the join
//	22 ILLEGAL_GENERATION        | the member joins again, unless it already does: it is known, so no one else got what it owns
//	25 UNKNOWN_MEMBER_ID, 82     | all is lost; the member joins as a new one
//
// # Consumer (KIP-848)
//
// The coordinator assigns, in its answers to heartbeats, by topic ID. A partition whose topic has no name in
// the metadata yet waits for the name. There are no rounds: each member takes what it is given, and reports
// what it still owns. Each commit and offset fetch carries the member epoch.
//
//	state    | entered by                                | left by
//	---------+-------------------------------------------+--------------------------------------------
//	outside  | the start; the coordinator no longer      | a heartbeat of epoch 0 is answered -> member
//	         | knows the member                          |
//	member   | the coordinator has answered: what is     | 110, 25, or 69: all is lost -> outside
//	         | assigned and has a name is owned          |
//	giving   | an answer assigns less than is owned      | the rest is drained and its last commit
//	up       |                                           | sent: a heartbeat reports it at once -> member
//
// A heartbeat reports what has changed; after one without an answer the next reports all. What an answer to a
// heartbeat, a commit or an offset fetch means:
//
//	none, or another error       | nothing: it is sent again
//	0                            | of a heartbeat: the lease is renewed; while something must be given up, only up to the rebalance
//	                             | time-out
//	113 STALE_MEMBER_EPOCH, 22   | a heartbeat is sent at once and brings the epoch; then the request is sent again
//	110 FENCED_MEMBER_EPOCH, 69  | all is lost; the member joins again under its ID
//	25 UNKNOWN_MEMBER_ID         | all is lost; the member joins as a new one
//	29 TOPIC_AUTHORIZATION_FAILED| the next heartbeat names no topics, so that the membership does not end
package membership
