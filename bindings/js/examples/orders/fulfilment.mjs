// What happens to an order after it was made: jobs in the database's queue, and what is done with each.
//
//   { type: "fulfilment", order }           have it sent by the warehouse
//   { type: "mail", to, template, order }   tell the customer
//
// A job may come twice: when a step failed, or the process that had it died before it could say that it was done. So
// it looks what has been done already, and the mail is enqueued by the very commit that makes the order "shipped".

import { changeStatus, getOrder } from "./orders.mjs";

/**
 * Works on jobs until the database is closed. Several processes may do so at once; each job goes to one of them.
 * @param {(order: import("./orders.mjs").Order) => Promise<void> | void} send hands an order to the warehouse. It throws
 *   when the warehouse is out of order; then the job comes again, and when that has been in vain for some minutes, it is
 *   stored under ["undelivered", "fulfilment", id].
 * @param {(to: string, template: string, order: string) => Promise<void> | void} mail
 * @returns {Promise<void>} resolved when the database is closed
 */
export function startFulfilment(kv, send, mail) {
  return kv.listenQueue(async (job) => {
    switch (job?.type) {
      case "fulfilment":
        return await fulfil(kv, job.order, send);
      case "mail":
        return await mail(job.to, job.template, job.order);
      default:
        throw new Error(`a job of no known type: ${job?.type}`);
    }
  });
}

/** Who cancels the order meanwhile makes a step fail: the job comes again, and finds nothing to do. */
async function fulfil(kv, id, send) {
  let order = await getOrder(kv, id);
  if (order?.status === "pending") order = await changeStatus(kv, id, "processing");
  if (order?.status !== "processing") return; // it was cancelled, or this is the second time
  await send(order);
  await changeStatus(kv, id, "shipped", (operation) => {
    operation.enqueue({ type: "mail", to: order.customer, template: "order-shipped", order: id });
  });
}
