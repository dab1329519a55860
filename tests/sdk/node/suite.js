// The platform's own library for Node.js, unchanged, against the gateway. One line per case:
// `ok <sentence>`, or `FAIL <sentence>: expected …, found …`; the exit code is 1 if any failed.
//
// The recording backend tells in its answers what reached it: each entity of an answer has `received`
// (method and path), `subject` and `kind` (the identity fields of the request).
'use strict'

const usergrid = require('usergrid')

const env = (name) => {
  const value = process.env[`TOLLGATE_${name}`]
  if (!value) throw new Error(`TOLLGATE_${name} is not set`)
  return value
}

const [org, app] = [env('ORG'), env('APP')]
const [admin, adminEmail, adminPassword] = [env('ADMIN'), env('ADMIN_EMAIL'), env('ADMIN_PASSWORD')]
const [name, email, password] = ['nora', 'nora@shop.example', 'nora-secret-1']
const everything = 'get,post,put,delete:/**'
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const token = /^YWMt[A-Za-z0-9_-]{59}$/

// ---- What the cases are written in

let failed = 0

/** One case. Values that no literal can name are written as the pattern that they match. */
const same = (sentence, found, expected) => {
  const told = (value) => JSON.stringify(value, (_, part) => (part === undefined ? '(none)' : part))
  const seen = found.map((part, i) =>
    expected[i] instanceof RegExp && expected[i].test(part) ? String(expected[i]) : part)
  const wanted = expected.map((part) => (part instanceof RegExp ? String(part) : part))
  const holds = told(seen) === told(wanted)
  if (!holds) failed += 1
  console.log(holds ? `ok ${sentence}` : `FAIL ${sentence}: expected ${told(wanted)}, found ${told(found)}`)
}

/** Runs one of the library's calls and gives the arguments of its callback. */
const call = (run) => new Promise((resolve) => run((...answer) => resolve(answer)))

/** The same for calls of the library that complain about an entity's type first, and then do what they were asked. */
const second = (run) => new Promise((resolve) => {
  let calls = 0
  run((...answer) => { if (++calls === 2) resolve(answer) })
})

const client = (options) => new usergrid.client({ URI: env('URL'), orgName: org, appName: app, ...options })
const guest = (appName = app) => client({ appName })
const holder = (token, appName = app) => client({ authType: usergrid.AUTH_APP_USER, token, appName })
const clientOf = (level) => client({
  authType: usergrid.AUTH_CLIENT_ID,
  clientId: env(`${level}_CLIENT_ID`),
  clientSecret: env(`${level}_CLIENT_SECRET`),
})
const ask = async (who, options) => (await call((done) => who.request(options, done)))[1]
const login = async (who = name, secret = password) =>
  (await call((done) => guest().login(who, secret, done)))[1].access_token

/** What the backend says of a call with the library's client. */
const reached = async (who, options) => {
  const [first] = (await ask(who, options)).entities || [{}]
  return [first.received, first.kind, first.subject]
}

/** What a refusal says. */
const refused = async (who, options) => {
  const { statusCode, error, error_description: text } = await ask(who, options)
  return [statusCode, error, text]
}

/** Asks until the token is refused: the one thing here that only time brings. */
const untilRefused = async (who, options) => {
  const giveUp = Date.now() + 20_000
  for (;;) {
    const answer = await refused(who, options)
    if (answer[0] === 401 || Date.now() > giveUp) return answer
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

// ---- The cases

async function signingUp() {
  let [err, entity] = await call((done) => guest().signup(name, password, email, 'Nora B', done))
  same('a guest signs up', [err, entity.get('username'), entity.get('email'), entity.get('uuid'), entity.get('activated'), entity.get('password')],
    [null, 'nora', 'nora@shop.example', uuid, true, undefined])
  entity = new usergrid.entity({ client: guest(), data: { type: 'users', username: 'Nora', password } })
  let [, data] = await call((done) => entity.save(done))
  same('a name is given once, whatever its case', [data.statusCode, data.error], [400, 'duplicate_unique_property_exists'])
  entity = new usergrid.entity({ client: guest(), data: { type: 'users', username: 'shorty', password: 'abc' } });
  [, data] = await call((done) => entity.save(done))
  same('a password of three letters is too short', [data.statusCode, data.error], [400, 'error_password_policy_violation'])
}

async function loggingIn() {
  const [plain, wrong] = [guest(), guest()]
  let [err, data, user] = await call((done) => plain.login(name, password, done))
  const id = user.get('uuid')
  same('a user logs in by name', [err, data.access_token, data.expires_in, user.get('username'), user.get('type'), plain.isLoggedIn()],
    [null, token, 604800, 'nora', 'user', true])
  for (const [word, who] of [['e-mail address', email], ['UUID', id]]) {
    [err, data, user] = await call((done) => guest().login(who, password, done))
    same(`a user logs in by ${word}`, [err, data.access_token, user.get('uuid')], [null, token, id])
  }
  [err, data] = await call((done) => wrong.login(name, 'nora-secret-2', done))
  same('a wrong password is refused, and the client is not logged in', [err, data.statusCode, data.error, data.error_description, wrong.isLoggedIn()],
    [true, 400, 'invalid_grant', 'invalid username or password', false]);
  [err, data] = await call((done) => guest().login('nobody', password, done))
  same('an unknown user hears the same', [err, data.statusCode, data.error, data.error_description],
    [true, 400, 'invalid_grant', 'invalid username or password'])
  const server = clientOf('APP');
  [err, data, user] = await call((done) => server.login(name, password, done))
  same('a client that carries its credentials logs a user in', [err, data.access_token, user.get('uuid')], [null, token, id])
  server.authType = usergrid.AUTH_APP_USER
  same('and goes on as that user', await reached(server, { endpoint: 'orders' }), ['GET /acme/shop/orders', 'application_user', id])
  return id
}

async function calling(id) {
  const nora = holder(await login())
  let [err, , user] = await call((done) => nora.getLoggedInUser(done))
  same('a client asks who it is', [err, user.get('uuid'), user.get('username')], [null, id, 'nora'])
  const order = new usergrid.entity({ client: nora, data: { type: 'orders', name: 'first' } })
  let [, data] = await call((done) => order.save(done))
  same('a new entity reaches the backend in the name of its user', [data.entities[0].received, data.entities[0].kind, data.entities[0].subject, data.entities[0].body],
    ['POST /acme/shop/orders', 'application_user', id, '{"name":"first"}']);
  [, data] = await call((done) => order.save(done))
  same('so does its change', [data.entities[0].received], ['PUT /acme/shop/orders/3f0e1d2c-7d2a-11ee-8a11-0123456789ab']);
  [, data] = await call((done) => order.fetch(done))
  same('and a look at it', [data.entities[0].received], ['GET /acme/shop/orders/3f0e1d2c-7d2a-11ee-8a11-0123456789ab']);
  [, data] = await call((done) => order.destroy(done))
  same('and its end, under the type that the backend calls it', [data.entities[0].received], ['DELETE /acme/shop/order/3f0e1d2c-7d2a-11ee-8a11-0123456789ab'])
  const [, list] = await call((done) => nora.createCollection({ type: 'orders', qs: { ql: "select * where size > '4'", limit: 2 } }, done))
  same('a query keeps its words and loses its token', [list.getFirstEntity().get('received'), list.getFirstEntity().get('query')],
    ['GET /acme/shop/orders', 'ql=select%20*%20where%20size%20%3E%20%274%27&limit=2']);
  [, data] = await call((done) => user.getConnections('likes', done))
  same('connections of a user are the backend\'s', [data.entities[0].received], [`GET /acme/shop/users/${id}/likes`])
  same('a user\'s name in a deeper path becomes its UUID', [(await call((done) => nora.getFeedForUser('nora', done)))[2][0].received], [`GET /acme/shop/users/${id}/feed`])
  same('so does `me`', (await reached(nora, { endpoint: 'users/me/devices' })), [`GET /acme/shop/users/${id}/devices`, 'application_user', id])
  user = new usergrid.entity({ client: nora, data: { type: 'users', username: 'nora' } })
  await call((done) => user.fetch(done))
  user.set('city', 'Bergen');
  [err, data] = await call((done) => user.save(done))
  same('a user changes itself', [err, data.entities[0].city, user.get('type'), data.action], [null, 'Bergen', 'users', 'put']);
  [err, data] = await call((done) => new usergrid.entity({ client: nora, data: { type: 'users', username: 'nobody' } }).fetch(done))
  same('a user that does not exist is not found', [data.statusCode, data.error], [404, 'service_resource_not_found'])
}

async function refusing() {
  const lacking = 'Subject does not have permission to access this resource'
  const path = { endpoint: 'orders/refused' }
  same('a guest may not', await refused(guest(), path), [401, 'unauthorized', lacking])
  same('nor may a token that is none', await refused(holder('rubbish'), path), [401, 'auth_bad_access_token', 'Unable to authenticate due to corrupt access token'])
  const wrong = client({ authType: usergrid.AUTH_CLIENT_ID, clientId: env('APP_CLIENT_ID'), clientSecret: 'YXA6AAAAAAAAAAAAAAAAAAAAAAAAAAA' })
  same('nor a client with a wrong secret', await refused(wrong, path), [401, 'invalid_client', 'Unable to authenticate (OAuth)'])
  const stranger = holder(await login(), 'sandbox')
  same('nor a user of another application', (await refused(stranger, path)).slice(0, 2), [401, 'unauthorized'])
}

async function sandbox() {
  same('the sandbox takes calls without a token', await reached(guest('sandbox'), { method: 'POST', endpoint: 'orders', body: { name: 'x' } }),
    ['POST /acme/sandbox/orders', 'guest', undefined])
  same('but none with a bad one', (await refused(holder('rubbish', 'sandbox'), { endpoint: 'orders/refused' })).slice(0, 2), [401, 'auth_bad_access_token'])
  const keeper = client({ appName: 'sandbox', authType: usergrid.AUTH_CLIENT_ID, clientId: env('ORG_CLIENT_ID'), clientSecret: env('ORG_CLIENT_SECRET') })
  let answer = await ask(keeper, { method: 'DELETE', endpoint: 'roles/guest/permissions', qs: { permission: everything } })
  same('the sandbox is closed by taking its guests\' permission', [answer.data.includes(everything), (await refused(guest('sandbox'), { endpoint: 'orders/refused' }))[1]],
    [false, 'unauthorized'])
  answer = await ask(keeper, { method: 'POST', endpoint: 'roles/guest/permissions', body: { permission: everything } })
  same('and opened by giving it back', [answer.data.includes(everything), (await reached(guest('sandbox'), { endpoint: 'orders' }))[1]], [true, 'guest'])
}

async function otherLevels() {
  for (const [level, kind] of [['APP', 'application'], ['ORG', 'organization']]) {
    same(`the ${kind}'s client calls with its id and secret`, (await reached(clientOf(level), { endpoint: 'orders' })).slice(0, 2), ['GET /acme/shop/orders', kind])
  }
  const grant = (level) => ({ grant_type: 'client_credentials', client_id: env(`${level}_CLIENT_ID`), client_secret: env(`${level}_CLIENT_SECRET`) })
  let answer = await ask(guest(), { method: 'POST', endpoint: 'token', body: grant('APP') })
  same('the application\'s client logs in', [answer.access_token, answer.expires_in, answer.application], [token, 604800, uuid])
  same('and calls with its token', (await reached(holder(answer.access_token), { endpoint: 'orders' })).slice(0, 2), ['GET /acme/shop/orders', 'application'])
  answer = await ask(guest(), { method: 'POST', endpoint: 'management/token', mQuery: true, body: grant('ORG') })
  same('the organization\'s client logs in', [answer.access_token, answer.expires_in, answer.organization.name, Object.keys(answer.organization.applications).sort()],
    [token, 604800, 'acme', ['acme/sandbox', 'acme/shop']])
  same('and calls with its token', (await reached(holder(answer.access_token), { endpoint: 'orders' })).slice(0, 2), ['GET /acme/shop/orders', 'organization'])
}

async function administering() {
  const grant = { grant_type: 'password', username: admin, password: adminPassword }
  const answer = await ask(guest(), { method: 'POST', endpoint: 'management/token', mQuery: true, body: grant })
  const first = answer.access_token
  same('an admin logs in', [first, answer.expires_in, answer.user.username, answer.user.organizations.acme.name], [token, 604800, 'olga', 'acme'])
  const olga = holder(first)
  same('and calls an application of the organization', (await reached(olga, { endpoint: 'orders' })).slice(0, 2), ['GET /acme/shop/orders', 'admin_user'])
  const [lite] = await call((done) => olga.reAuthenticateLite(done))
  same('an admin\'s token is confirmed and stays the same', [lite, olga.getToken() === first], [null, true])
  // The library leaves these three to the portal in whose page it runs.
  const kept = {}
  global.localStorage = { setItem: (key, value) => { kept[key] = value }, getItem: (key) => kept[key], removeItem: (key) => { delete kept[key] } }
  olga.parseApplicationsArray = (organization) => Object.keys(organization.applications).sort()
  olga.selectFirstApp = () => undefined
  const [err, data, user, organizations, applications] = await call((done) => olga.reAuthenticate(adminEmail, done))
  same('a portal learns who its admin is', [err, data.token === first, user.get('username'), organizations.acme.name, applications, kept.userEmail],
    [null, true, 'olga', 'acme', ['acme/sandbox', 'acme/shop'], 'olga@acme.example'])
  const keys = await ask(olga, { endpoint: 'management/orgs/acme/credentials', mQuery: true })
  same('and reads the organization\'s credentials', [keys.credentials.client_id === env('ORG_CLIENT_ID')], [true])
  same('which nobody else may', (await refused(holder(await login()), { endpoint: 'management/orgs/acme/credentials', mQuery: true })), [401, 'unauthorized', 'No organization access authorized'])
  const gone = await ask(olga, { method: 'POST', endpoint: 'management/users/olga/revoketokens', mQuery: true })
  same('an admin revokes all own tokens', [gone.action, (await refused(olga, { endpoint: 'orders/refused' }))[1]], ['revoked user tokens', 'auth_invalid'])
}

async function roles() {
  const keeper = clientOf('APP')
  const [, user] = await call((done) => keeper.getEntity({ type: 'users', username: name }, done))
  const [, , rules] = await second((done) => keeper.createRole('clerk', 'get:/invoices/**', done))
  same('a role is made with its permission', [rules], [['get:/invoices/**']])
  let [err] = await second((done) => user.assignRole('clerk', done))
  const names = async () => (await call((done) => user.getRoles(done)))[2].map((role) => role.name)
  same('a user is given the role', [err, await names()], [null, ['clerk']])
  const role = new usergrid.entity({ client: keeper, data: { type: 'roles', uuid: (await ask(keeper, { endpoint: 'roles/clerk' })).entities[0].uuid } })
  await call((done) => role.getPermissions(done))
  same('a role tells its permissions', [role.permissions], [[{ operations: { get: 'yes', post: 'no', put: 'no', delete: 'no' }, path: '/invoices/**', perm: 'get:/invoices/**' }]])
  let [, , own] = await call((done) => user.assignPermissions('put:/notes/*', done))
  same('a user is given a permission of its own', [own], [['put:/notes/*']]);
  [err, , own] = await call((done) => user.removePermissions('put:/notes/*', done))
  same('and loses it', [err, [own].flat()], [null, ['put:/notes/*']]);
  [err] = await second((done) => user.removeRole('clerk', done))
  same('the role is taken away', [err, await names()], [null, []])
}

async function groups() {
  const keeper = clientOf('APP')
  const [, user] = await call((done) => keeper.getEntity({ type: 'users', username: name }, done))
  const [err, group] = await call((done) => keeper.createGroup({ path: 'night-shift' }, done))
  same('a group is made', [err, group.get('path'), group.get('uuid')], [null, 'night-shift', uuid])
  const [, , members] = await call((done) => group.add({ user }, done))
  same('a user joins it', [members.map((one) => one.get('username'))], [['nora']])
  const [, , joined] = await call((done) => user.getGroups(done))
  same('and knows its groups', [joined.map((one) => one.path)], [['night-shift']])
  const [, , left] = await call((done) => group.remove({ user: { username: name } }, done))
  same('and leaves it', [left], [[]])
}

async function passwords() {
  const nora = guest()
  let [, , user] = await call((done) => nora.login(name, password, done))
  nora.authType = usergrid.AUTH_APP_USER
  user.set({ oldpassword: 'nora-secret-0', newpassword: 'nora-secret-3' })
  let [, data] = await call((done) => user.save(done))
  same('a password does not change without the old one', [data.statusCode, data.error], [400, 'auth_invalid_username_or_password']);
  [, , user] = await call((done) => nora.login(name, password, done))
  user.set({ oldpassword: password, newpassword: 'nora-secret-3' });
  [, data] = await call((done) => user.save(done))
  same('a user changes its password', [data.action], ['set user password'])
  same('and logs in with the new one', [await login(name, 'nora-secret-3')], [token])
  same('and no longer with the old one', [await login()], [undefined])
  data = await ask(nora, { method: 'POST', endpoint: 'users/me/password', body: { oldpassword: 'nora-secret-3', newpassword: password } })
  same('and changes it back by POST', [data.action], ['set user password'])
}

async function ending() {
  const grant = { grant_type: 'password', username: name, password, ttl: 1000 }
  const short = await ask(guest(), { method: 'POST', endpoint: 'token', body: grant })
  const path = { endpoint: 'users/me' }
  const late = holder(short.access_token)
  same('a token ends at its time', [short.expires_in, ...await untilRefused(late, path)], [1, 401, 'expired_token', 'Unable to authenticate due to expired access token'])
  const [err, data] = await call((done) => late.login(name, password, done))
  same('a client that still carries it logs in again', [err, data.access_token, (await ask(late, path)).entities[0].username], [null, token, 'nora'])

  const [one, two] = [await login(), await login()]
  const revoke = (what, qs) => ask(holder(two), { method: 'PUT', endpoint: `users/nora/${what}`, qs })
  same('one token is revoked', [(await revoke('revoketoken', { token: one })).action, ...await refused(holder(one), path)], ['revoked user token', 401, 'auth_invalid', 'Unable to authenticate'])
  same('the other lives', [(await ask(holder(two), path)).entities[0].username], ['nora'])
  same('revoking again is no fault', [(await revoke('revoketoken', { token: one })).action], ['revoked user token'])
  same('all of a user are revoked', [(await revoke('revoketokens')).action, ...(await refused(holder(two), path)).slice(0, 2)], ['revoked user tokens', 401, 'auth_invalid'])

  const nora = holder(await login())
  nora.logout()
  same('a client that logs out is a guest', [nora.isLoggedIn(), (await refused(nora, { endpoint: 'orders/refused' }))[1]], [false, 'unauthorized'])
}

async function leaving() {
  const held = holder(await login())
  const off = await ask(clientOf('APP'), { method: 'POST', endpoint: 'users/nora/deactivate' })
  same('a user is deactivated, and its token with it', [off.action, off.entities[0].activated, (await refused(held, { endpoint: 'users/me' }))[0]], ['Deactivate user', false, 401])
  const [, data] = await call((done) => guest().login(name, password, done))
  same('and cannot log in', [data.statusCode, data.error, data.error_description], [400, 'invalid_grant', 'user not activated'])
  const [, user] = await call((done) => clientOf('APP').getEntity({ type: 'users', username: name }, done))
  const [err] = await call((done) => user.destroy(done))
  same('a user is removed', [err, (await refused(clientOf('APP'), { endpoint: 'users/nora' }))[1]], [null, 'service_resource_not_found'])
}

async function main() {
  await signingUp()
  const id = await loggingIn()
  await calling(id)
  await refusing()
  await sandbox()
  await otherLevels()
  await administering()
  await roles()
  await groups()
  await passwords()
  await ending()
  await leaving()
}

main().then(() => process.exit(failed ? 1 : 0), (error) => {
  console.log(`FAIL the suite ended early: ${error.stack}`)
  process.exit(1)
})
