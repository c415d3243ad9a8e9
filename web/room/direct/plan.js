// What this page does about talking directly with the other of a pair: follows what the room says of the
// pair, and what it sees itself. Pure: events in, the next plan and what is to be done out.
//
//   none --prepare--> preparing --direct--> direct --return--> returning --over--> none
//                        (shown as soon as it is seen here)      (the box's is shown as soon as it is seen)
//   direct, returning --the box has forgotten--> orphaned --the box's is seen--> none
//
// What is shown changes only when the other path is seen here, so that no picture is given up before there
// is another. A connection that broke is shown on, still as it is, until the box's picture is there.

/** @typedef {import('../protocol.js').Direct} DirectMessage */
/** @typedef {import('../protocol.js').DirectState['state']} Told */
/** @typedef {'none' | 'preparing' | 'direct' | 'returning' | 'orphaned'} Phase */

/**
 * @typedef {object} Plan
 * @property {Phase} phase
 * @property {number} generation the newest that the room has spoken of
 * @property {number} revision
 * @property {string} peer
 * @property {boolean} made there is a connection
 * @property {boolean} alive it has not broken
 * @property {boolean} shown what comes directly is shown, not what the box forwards
 * @property {boolean} acked the room was told that what this phase waits for is seen
 */

/**
 * @typedef {{ type: 'told', message: DirectMessage, you: string }
 *   | { type: 'seen', path: 'direct' | 'box' }
 *   | { type: 'broken' }
 *   | { type: 'forgotten' }
 *   | { type: 'closed' }} PlanEvent
 */

/**
 * @typedef {{ do: 'open', generation: number, peer: string, offers: boolean }
 *   | { do: 'close' }
 *   | { do: 'tell', generation: number, revision: number, state: Told }} Deed
 */

/** @typedef {{ plan: Plan, deeds: Deed[] }} Step */

/** @returns {Plan} */
export function noPlan() {
  return { phase: 'none', generation: 0, revision: 0, peer: '', made: false, alive: false, shown: false, acked: false };
}

/** What has to be seen next, if anything. @param {Plan} plan @returns {'direct' | 'box' | null} */
export function awaited({ phase, acked, alive }) {
  if (phase === 'preparing') return alive && !acked ? 'direct' : null;
  return (phase === 'returning' || phase === 'orphaned') && !acked ? 'box' : null;
}

/**
 * @param {Plan} plan
 * @param {PlanEvent} event
 * @returns {Step}
 */
export function step(plan, event) {
  switch (event.type) {
    case 'told': return told(plan, event.message, event.you);
    case 'seen': return event.path === awaited(plan) ? seen(plan) : { plan, deeds: [] };
    case 'broken': return broken(plan);
    case 'forgotten': return forgotten(plan);
    case 'closed': return over(plan);
  }
}

/** @param {Plan} plan @param {Told} state @returns {Deed} */
const tell = ({ generation, revision }, state) => ({ do: 'tell', generation, revision, state });

/**
 * @param {Plan} plan
 * @param {DirectMessage} message
 * @param {string} you
 * @returns {Step}
 */
function told(plan, message, you) {
  const { generation, revision, peer, offerer, phase } = message;
  if (generation < plan.generation) return { plan, deeds: [] };
  const known = generation === plan.generation && plan.phase !== 'none';
  const now = { ...plan, generation, revision, peer };
  if (phase === 'over') return known ? over(now) : over({ ...plan, generation, revision });
  if (phase === 'prepare' && !known) {
    const { deeds } = over(plan);
    return {
      plan: { ...now, phase: 'preparing', made: true, alive: true, shown: false, acked: false },
      deeds: [...deeds, { do: 'open', generation, peer, offers: offerer === you }],
    };
  }
  // Of a connection that another page had, or that has broken: the room hears what has become of it.
  const lost = !known || !plan.alive;
  const deeds = lost ? [tell(now, 'failed')] : [];
  if (phase === 'prepare') return { plan: now, deeds };
  const shown = phase === 'direct' ? plan.shown || (known && plan.alive) : known && plan.shown;
  return {
    plan: { ...now, phase: phase === 'direct' ? 'direct' : 'returning', alive: !lost, shown, acked: false },
    deeds,
  };
}

/** What was awaited is there. @param {Plan} plan @returns {Step} */
function seen(plan) {
  if (plan.phase === 'preparing') return { plan: { ...plan, acked: true, shown: true }, deeds: [tell(plan, 'connected')] };
  if (plan.phase === 'orphaned') return over(plan);
  return { plan: { ...plan, acked: true, shown: false }, deeds: [tell(plan, 'forwarded')] };
}

/** @param {Plan} plan @returns {Step} */
function broken(plan) {
  if (!plan.alive) return { plan, deeds: [] };
  const shown = plan.phase !== 'preparing' && plan.shown;
  return { plan: { ...plan, alive: false, shown }, deeds: plan.phase === 'orphaned' ? [] : [tell(plan, 'failed')] };
}

/** The box was restarted, or took our place for another: it counts anew. @param {Plan} plan @returns {Step} */
function forgotten(plan) {
  if (!plan.shown) return { plan: noPlan(), deeds: over(plan).deeds };
  return { plan: { ...plan, phase: 'orphaned', generation: 0, revision: 0, acked: false }, deeds: [] };
}

/** @param {Plan} plan @returns {Step} */
function over(plan) {
  const { generation, revision } = plan;
  return { plan: { ...noPlan(), generation, revision }, deeds: plan.made ? [{ do: 'close' }] : [] };
}
