import createClient, { type Middleware } from "openapi-fetch";

import { Problem, problemOf, unreachable } from "./problem";
import type { components, paths } from "./schema";
import { session } from "../state/session.svelte";

export type Schema = components["schemas"];

/** Sends the access token, and once a fresh one where the server refuses it. */
const authorize: Middleware = {
  async onRequest({ request }) {
    const token = await session.accessToken();
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
  onError() {
    return unreachable();
  },
};

export const api = createClient<paths>({
  baseUrl: location.origin,
  fetch: async (request: Request) => {
    const again = request.clone();
    const response = await fetch(request);
    if (response.status !== 401 || !request.headers.has("Authorization")) return response;
    const token = await session.renew((request.headers.get("Authorization") ?? "").replace("Bearer ", ""));
    if (!token) return response;
    again.headers.set("Authorization", `Bearer ${token}`);
    return fetch(again);
  },
});
api.use(authorize);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The data of an answer; throws a Problem where there is none. */
export async function data<T>(answer: Promise<Answer<T>>): Promise<T> {
  return (await whole(answer)).data;
}

/** The data of an answer with its ETag. */
export async function whole<T>(answer: Promise<Answer<T>>): Promise<{ data: T; etag: string }> {
  const { data, error, response } = await answer;
  if (!response.ok) throw error instanceof Problem ? error : await problemOf(response, error);
  return { data: data as T, etag: response.headers.get("ETag") ?? "" };
}
