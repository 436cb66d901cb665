// Package membership keeps a process in a consumer group: which partitions it owns, from when
// to when, and under which name its commits are sent. It knows no records.
//
// # Classic, cooperative (KIP-429)
//
// A member joins with what it owns. The group's leader leaves each partition with its owner, or
// with nobody for one round: who is to give one up keeps the rest, finishes what is in hand,
// commits, and joins again without it. Then its new owner gets it. So what stays is never
// interrupted.
//
//	state     | entered by                                | left by
//	----------+-------------------------------------------+--------------------------------------------
//	outside   | the start; the coordinator knows the      | JoinGroup is answered -> joined
//	          | member no more                            |
//	joined    | JoinGroup is answered: a new generation   | SyncGroup is answered -> stable; refused ->
//	          |                                           | joining
//	stable    | SyncGroup is answered: what is new is     | the coordinator says that the group joins
//	          | owned, what is not in it is given up      | anew, partitions were given up, the
//	          |                                           | subscription or the leader's metadata has
//	          |                                           | changed -> joining
//	joining   | a JoinGroup is under way                  | as outside. What is owned stays owned
//
// Which protocol a generation has is known from JoinGroup's answer alone. "range" and "roundrobin"
// are offered for members that know nothing better, such as this service before it was
// cooperative; they are eager: what a member owns may be another's as soon as it joins.
//
//	from        | to          | what is owned before the join
//	------------+-------------+---------------------------------------------------------------
//	cooperative | cooperative | stays
//	cooperative | eager       | where this service leads it leaves out what others still own, and says so: its
//	            |             | owner gives it up as above. Where another leads, what was not assigned again is
//	            |             | lost: it may have an owner already
//	eager       | any         | is given up before JoinGroup is sent
//
// What an answer means (heartbeat, commit):
//
//	none, or another error       | it is sent again. Of a heartbeat: no answer, or one of a broker that is not the coordinator, gives up
//	                             | a join that waits there, and the member joins again: the host may have died without a word
//	0                            | the coordinator knows this member: until the session time-out nobody else owns its partitions
//	27 REBALANCE_IN_PROGRESS     | the same, but not beyond the rebalance time-out; of a heartbeat: the member joins again
//	GROUP_AUTHORIZATION_FAILED   | of a heartbeat: the member joins again, which the coordinator may take all the same
//	22 ILLEGAL_GENERATION        | the member joins again, unless it does or has since: it is known, so that what it owns was given to nobody
//	25 UNKNOWN_MEMBER_ID, 82     | all is lost; the member joins as a new one
//
// # Consumer (KIP-848)
//
// The coordinator assigns, and tells of it in its answers to heartbeats; partitions are named by the topic's
// ID. There are no rounds: each member takes what it is given, and says what it still owns.
//
//	state    | entered by                                | left by
//	---------+-------------------------------------------+--------------------------------------------
//	outside  | the start; the coordinator knows the      | a heartbeat of epoch 0 is answered -> member
//	         | member no more                            |
//	member   | the coordinator has answered: what is     | 110, 25, or 69: all is lost -> outside
//	         | assigned and has a name is owned          |
//	giving   | an answer assigns less than is owned      | what is gone is drained and its last commit
//	up       |                                           | sent: a heartbeat says so at once -> member
//
// A heartbeat says what has changed; after one that was not answered the next says all. What an
// answer means (heartbeat, commit, offset fetch):
//
//	none, or another error       | nothing: it is sent again
//	0                            | of a heartbeat: until the session time-out nobody else owns its partitions; while something is
//	                             | to be given up, not beyond the rebalance time-out
//	113 STALE_MEMBER_EPOCH, 22   | nothing: a heartbeat, which tells the epoch, is sent at once, and the request again
//	110 FENCED_MEMBER_EPOCH, 69  | all is lost; the member joins again under its name
//	25 UNKNOWN_MEMBER_ID         | all is lost; the member joins as a new one
//	29 TOPIC_AUTHORIZATION_FAILED| the next heartbeat names no topics, so that the membership does not end
package membership
